#include "config/state_dir.h"

#include <unistd.h>

#include <cstdlib>

namespace cotenant {

std::filesystem::path DefaultStateDir() {
  const char* state = std::getenv("XDG_STATE_HOME");
  // As its specification says, a relative path there does not count.
  if (state != nullptr && state[0] == '/') return std::filesystem::path(state) / "cotenant";
  if (geteuid() == 0) return "/var/lib/cotenant";
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return std::filesystem::path(home) / ".local/state/cotenant";
}

}  // namespace cotenant
