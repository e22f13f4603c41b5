#include "config/state_dir.h"

#include <unistd.h>

#include <cstdlib>

namespace cotenant {

namespace {

std::filesystem::path Find(const char* variable, const char* of_root, const char* in_home) {
  const char* given = std::getenv(variable);
  // As its specification says, a relative path there does not count.
  if (given != nullptr && given[0] == '/') return std::filesystem::path(given) / "cotenant";
  if (geteuid() == 0) return of_root;
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return std::filesystem::path(home) / in_home;
}

}  // namespace

std::filesystem::path DefaultStateDir() {
  return Find("XDG_STATE_HOME", "/var/lib/cotenant", ".local/state/cotenant");
}

std::filesystem::path DefaultCacheDir() {
  return Find("XDG_CACHE_HOME", "/var/cache/cotenant", ".cache/cotenant");
}

}  // namespace cotenant
