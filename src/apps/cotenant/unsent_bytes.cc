#include "apps/cotenant/unsent_bytes.h"

#include <dirent.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

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

bool AnyUnsentBytes() {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return false;
  bool any = false;
  for (const dirent* entry = readdir(folder); entry != nullptr && !any; entry = readdir(folder)) {
    any = entry->d_name[0] != '.' && HoldsUnsentBytes(std::atoi(entry->d_name));
  }
  closedir(folder);
  return any;
}

}  // namespace

void AwaitUnsentBytes(Duration longest) {
  constexpr Duration kPause = Duration::Milliseconds(1);
  const Instant until = MonotonicNow() + longest;
  while (AnyUnsentBytes() && MonotonicNow() < until) {
    usleep(static_cast<useconds_t>(kPause.microseconds()));
  }
}

}  // namespace cotenant
