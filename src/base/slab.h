#pragma once

/// Records that come and go, in one array: a record's index is its name while it lives.
///
/// Freed places are used again, last freed first, so that memory stays at the largest number that
/// ever lived at once. Indices are stable; references are not, across `Take`.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace cotenant {

/// "No record", wherever an index of a slab is kept.
inline constexpr std::uint32_t kNowhere = 0xffffffffU;

template <typename T>
class Slab {
 public:
  /// A place that holds what its last user left; the caller sets it up anew (buffers keep
  /// capacity).
  std::uint32_t Take() {
    ++size_;
    if (!free_.empty()) {
      const std::uint32_t index = free_.back();
      free_.pop_back();
      return index;
    }
    items_.emplace_back();
    if (free_.capacity() < items_.capacity()) free_.reserve(items_.capacity());
    return static_cast<std::uint32_t>(items_.size() - 1);
  }
  void Give(std::uint32_t index) {
    COTENANT_CHECK(size_ > 0 && index < items_.size());
    --size_;
    free_.push_back(index);
  }

  T& operator[](std::uint32_t index) { return items_[index]; }
  const T& operator[](std::uint32_t index) const { return items_[index]; }
  /// Records in use.
  std::size_t size() const { return size_; }
  /// Places ever used; every index is below.
  std::size_t places() const { return items_.size(); }

  /// For snapshots: the places not in use; the last one is taken next.
  const std::vector<std::uint32_t>& free_places() const { return free_; }
  /// Makes so many places with records set up anew, all in use but those in `free`, which must
  /// name different places below `places`; false, changing nothing, when they do not.
  bool Rebuild(std::size_t places, std::vector<std::uint32_t> free) {
    std::vector<bool> seen(places);
    for (std::uint32_t index : free) {
      if (index >= places || seen[index]) return false;
      seen[index] = true;
    }
    items_.assign(places, T{});
    free_ = std::move(free);
    size_ = places - free_.size();
    return true;
  }

 private:
  std::vector<T> items_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace cotenant
