#include "apps/cotenant/start_up_pages.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <vector>

namespace cotenant {
namespace {

struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// Mappings of files that cannot be written and of which no page was ever changed: relocated
/// constants are, and dropping those would lose the relocations.
std::vector<Mapping> CleanFileMappings() {
  std::vector<Mapping> clean;
  std::FILE* file = std::fopen("/proc/self/smaps", "r");
  if (file == nullptr) return clean;
  char line[512];
  Mapping current;
  bool candidate = false;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    char permissions[8] = "";
    char path[256] = "";
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %*s %255s", &begin, &end,
                    permissions, path) >= 3) {
      current = {begin, end};
      candidate = path[0] == '/' && std::strchr(permissions, 'w') == nullptr;
      continue;
    }
    long kilobytes = -1;
    if (candidate && std::sscanf(line, "Anonymous: %ld kB", &kilobytes) == 1 && kilobytes == 0) {
      clean.push_back(current);
    }
  }
  std::fclose(file);
  return clean;
}

}  // namespace

void ReleaseStartUpPages() {
  malloc_trim(0);
  for (const Mapping& mapping : CleanFileMappings()) {
    madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
  }
}

}  // namespace cotenant
