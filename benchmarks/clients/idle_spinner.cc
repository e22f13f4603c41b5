// Keeps the CPUs it may run on from halting, without taking time from anybody: one thread per CPU,
// idle class.
//
// A halted virtual CPU takes 50 to 100 µs to wake, which would be measured in place of the server.
//
//   idle_spinner    until it is killed, or its parent ends

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <csignal>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void Spin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
  const sched_param parameter{};
  sched_setscheduler(0, SCHED_IDLE, &parameter);
  for (;;) asm volatile("" ::: "memory");
}

}  // namespace

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<std::thread> threads;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<unsigned>(cpu), &allowed)) threads.emplace_back(Spin, cpu);
  }
  for (auto& thread : threads) thread.join();
}
