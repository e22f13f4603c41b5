#include "server/unsent_bytes.h"

#include <dirent.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "server/clock.h"

namespace cotenant {
namespace {

bool HoldsUnsentBytes(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens != 0) {
    return false;
  }
  int unsent = 0;
  return ioctl(descriptor, SIOCOUTQ, &unsent) == 0 && unsent > 0;
}

std::vector<int> SocketsWithUnsentBytes() {
  std::vector<int> found;
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  for (const dirent* entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
    const int descriptor = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && HoldsUnsentBytes(descriptor)) found.push_back(descriptor);
  }
  closedir(folder);
  return found;
}

}  // namespace

void AwaitUnsentBytes(Duration longest) {
  constexpr Duration kPause = Duration::Milliseconds(1);
  const Instant until = MonotonicNow() + longest;
  std::vector<int> waiting = SocketsWithUnsentBytes();
  while (!waiting.empty() && MonotonicNow() < until) {
    usleep(static_cast<useconds_t>(kPause.microseconds()));
    std::erase_if(waiting, [](int descriptor) { return !HoldsUnsentBytes(descriptor); });
  }
}

}  // namespace cotenant
