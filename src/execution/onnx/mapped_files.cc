#include "execution/onnx/mapped_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

namespace cotenant {
namespace {

std::uintptr_t PageSize() { return static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)); }

/// In /proc/self/pagemap.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kOfFile = std::uint64_t{1} << 61;

/// Are all pages that are in memory those of the file?
bool AllOfFile(int pagemap, MappedRange range) {
  std::vector<std::uint64_t> entries(512);
  for (std::uintptr_t at = range.begin; at < range.end;) {
    const std::size_t count = std::min(entries.size(), (range.end - at) / PageSize());
    const std::size_t size = count * sizeof(std::uint64_t);
    const auto from = static_cast<off_t>(at / PageSize() * sizeof(std::uint64_t));
    if (pread(pagemap, entries.data(), size, from) != static_cast<ssize_t>(size)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if ((entries[i] & (kPresent | kSwapped)) != 0 && (entries[i] & kOfFile) == 0) return false;
    }
    at += count * PageSize();
  }
  return true;
}

void* AddressOf(MappedRange range) { return reinterpret_cast<void*>(range.begin); }

}  // namespace

MappedFiles MappedFrom(const std::string& folder) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  MappedFiles mapped;
  while (std::getline(maps, line)) {
    const auto slash = line.find('/');
    if (slash == std::string::npos || line.compare(slash, folder.size(), folder) != 0) continue;
    if (line.size() <= slash + folder.size() || line[slash + folder.size()] != '/') continue;
    std::istringstream fields(line);
    MappedRange range;
    char dash = 0;
    fields >> std::hex >> range.begin >> dash >> range.end;
    mapped.ranges.push_back(range);
    mapped.paths.insert(line.substr(slash));
  }
  return mapped;
}

Bytes SizeOf(std::span<const MappedRange> ranges) {
  std::uintptr_t size = 0;
  for (const MappedRange& range : ranges) size += range.end - range.begin;
  return Bytes(static_cast<std::int64_t>(size));
}

std::vector<MappedRange> Without(std::span<const MappedRange> all,
                                 std::span<const MappedRange> without) {
  std::vector<MappedRange> left;
  for (MappedRange range : all) {
    for (const MappedRange& other : without) {
      if (other.end <= range.begin || other.begin >= range.end) continue;
      if (other.begin > range.begin) left.push_back({range.begin, other.begin});
      range.begin = std::min(range.end, other.end);
    }
    if (range.begin < range.end) left.push_back(range);
  }
  return left;
}

bool DropPages(std::span<const MappedRange> ranges) {
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) return false;
  const bool clean = std::ranges::all_of(
      ranges, [pagemap](MappedRange range) { return AllOfFile(pagemap, range); });
  close(pagemap);
  if (!clean) return false;
  for (const MappedRange range : ranges) {
    if (madvise(AddressOf(range), range.end - range.begin, MADV_DONTNEED) != 0) return false;
  }
  return true;
}

bool FetchPages(std::span<const MappedRange> ranges) {
  for (const MappedRange range : ranges) {
    const std::size_t size = range.end - range.begin;
#ifdef MADV_POPULATE_READ
    if (madvise(AddressOf(range), size, MADV_POPULATE_READ) == 0) continue;
    if (errno != EINVAL) return false;
#endif
    // Before Linux 5.14: read ahead, and each page touched.
    madvise(AddressOf(range), size, MADV_WILLNEED);
    for (std::uintptr_t at = range.begin; at < range.end; at += PageSize()) {
      static_cast<void>(*reinterpret_cast<const volatile char*>(at));
    }
  }
  return true;
}

}  // namespace cotenant
