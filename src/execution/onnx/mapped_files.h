#pragma once

/// Files that the process has mapped: where, and their pages. Linux; reads /proc/self. The calls
/// block on it and on the disk.

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace cotenant {

/// Addresses begin … end, whole pages.
struct MappedRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// Mapped files of one folder.
struct MappedFiles {
  std::vector<MappedRange> ranges;  ///< In the order of their addresses.
  std::set<std::string> paths;
};

/// Only files directly in the folder, which is a canonical path.
MappedFiles MappedFrom(const std::string& folder);
Bytes SizeOf(std::span<const MappedRange> ranges);
/// What of `all` is not in `without`. Both in the order of their addresses.
std::vector<MappedRange> Without(std::span<const MappedRange> all,
                                 std::span<const MappedRange> without);

/// Gives the pages back: what is read next comes from the file. False, and nothing was done, where
/// a page was written to and is in memory only.
bool DropPages(std::span<const MappedRange> ranges);
/// Brings them in, so that the next reader need not wait. False: the files cannot be read.
bool FetchPages(std::span<const MappedRange> ranges);

}  // namespace cotenant
