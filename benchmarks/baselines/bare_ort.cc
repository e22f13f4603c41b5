// FROZEN: a yardstick. The figures of docs/performance.md are ratios to this program; never change
// it.
//
// ONNX Runtime in a loop, preallocated tensors, nothing else: the least that any server pays for
// the network.
//
//   bare_ort MODEL.onnx --shape 1,64 [--threads N] [--seconds S]    runs; prints one line of JSON
//   bare_ort MODEL.onnx --shape 1,64 --idle N                       holds N sessions, prints
//   "ready", waits for input's end

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "baselines/network.h"

namespace {

using Clock = std::chrono::steady_clock;

double ProcessCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Runs until `end`; the microseconds of every run are appended to `times`.
void Loop(yardstick::Network& network, Clock::time_point end, std::vector<float>& times) {
  auto began = Clock::now();
  while (began < end) {
    network.Run();
    const auto ended = Clock::now();
    times.push_back(std::chrono::duration<float, std::micro>(ended - began).count());
    began = ended;
  }
}

double Percentile(const std::vector<float>& sorted, double part) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted.empty() ? 0 : static_cast<double>(sorted[static_cast<std::size_t>(last * part)]);
}

void Measure(std::vector<std::unique_ptr<yardstick::Network>>& networks, double seconds) {
  for (auto& network : networks) {
    for (int i = 0; i < 20; ++i) network->Run();
  }
  std::vector<std::vector<float>> times(networks.size());
  for (auto& part : times) part.reserve(static_cast<std::size_t>(seconds * 200'000));
  const double cpu_before = ProcessCpuSeconds();
  const auto began = Clock::now();
  const auto end =
      began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < networks.size(); ++i) {
    threads.emplace_back([&, i] { Loop(*networks[i], end, times[i]); });
  }
  Loop(*networks[0], end, times[0]);
  for (auto& thread : threads) thread.join();
  const double wall = std::chrono::duration<double>(Clock::now() - began).count();
  const double cpu = ProcessCpuSeconds() - cpu_before;
  std::vector<float> all;
  for (const auto& part : times) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  std::printf(
      "{\"count\": %zu, \"seconds\": %.4f, \"rate\": %.2f, \"cpu_seconds\": %.4f, \"cpu_us\": "
      "%.3f, "
      "\"per_cpu_second\": %.2f, \"p50\": %.2f, \"p95\": %.2f, \"p99\": %.2f}\n",
      all.size(), wall, static_cast<double>(all.size()) / wall, cpu,
      cpu * 1e6 / static_cast<double>(all.size()), static_cast<double>(all.size()) / cpu,
      Percentile(all, 0.5), Percentile(all, 0.95), Percentile(all, 0.99));
}

}  // namespace

int main(int argc, char** argv) {
  std::string shape = "1,64";
  std::size_t threads = 1;
  std::size_t idle = 0;
  double seconds = 3;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--shape") shape = argv[i + 1];
    if (flag == "--threads") threads = std::stoul(argv[i + 1]);
    if (flag == "--seconds") seconds = std::stod(argv[i + 1]);
    if (flag == "--idle") idle = std::stoul(argv[i + 1]);
  }
  if (argc < 2) return 2;
  std::vector<std::unique_ptr<yardstick::Network>> networks;
  for (std::size_t i = 0; i < std::max(threads, idle); ++i) {
    networks.push_back(std::make_unique<yardstick::Network>(argv[1], yardstick::ParseShape(shape)));
  }
  if (idle == 0) {
    Measure(networks, seconds);
    return 0;
  }
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
