#pragma once

/// Finds a small value by a small key: one array, open addressing, no allocation until it must
/// grow.
///
/// Erasing shifts later entries back, so that no marks pile up. Iteration is not offered: nothing
/// may be decided from the order of a hash table.

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/check.h"

namespace cotenant {

/// Spreads numbers that differ in few bits (SplitMix64's last step).
constexpr std::uint64_t MixBits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

template <typename Number>
  requires(std::is_enum_v<Number> || std::is_integral_v<Number>)
constexpr std::uint64_t HashOf(Number number) {
  return MixBits(static_cast<std::uint64_t>(number) + 0x9e3779b97f4a7c15ULL);
}

/// `Key` has `operator==`, and is a number or has a free function `std::uint64_t HashOf(const
/// Key&)`.
template <typename Key, typename Value>
class FlatMap {
 public:
  FlatMap() : entries_(kPlacesMin) {}

  /// The value, or null. Valid until the next `Insert` or `Erase`.
  Value* Find(const Key& key) {
    for (std::size_t i = Home(key);; i = Next(i)) {
      if (!entries_[i].used) return nullptr;
      if (entries_[i].key == key) return &entries_[i].value;
    }
  }
  const Value* Find(const Key& key) const { return const_cast<FlatMap&>(*this).Find(key); }
  /// False, changing nothing, when the key is there already.
  bool Insert(const Key& key, const Value& value) {
    if ((size_ + 1) * 2 > entries_.size()) Grow();
    std::size_t i = Home(key);
    for (; entries_[i].used; i = Next(i)) {
      if (entries_[i].key == key) return false;
    }
    entries_[i] = {key, value, true};
    ++size_;
    return true;
  }
  bool Erase(const Key& key) {
    std::size_t hole = Home(key);
    for (; entries_[hole].used; hole = Next(hole)) {
      if (entries_[hole].key == key) break;
    }
    if (!entries_[hole].used) return false;
    for (std::size_t i = Next(hole); entries_[i].used; i = Next(i)) {
      // An entry may move back into the hole unless its home lies cyclically after the hole.
      const std::size_t mask = entries_.size() - 1;
      if (((i - Home(entries_[i].key)) & mask) >= ((i - hole) & mask)) {
        entries_[hole] = entries_[i];
        hole = i;
      }
    }
    entries_[hole].used = false;
    --size_;
    return true;
  }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kPlacesMin = 16;
  struct Entry {
    Key key{};
    Value value{};
    bool used = false;
  };

  std::size_t Home(const Key& key) const { return HashOf(key) & (entries_.size() - 1); }
  std::size_t Next(std::size_t i) const { return (i + 1) & (entries_.size() - 1); }
  void Grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    size_ = 0;
    for (const Entry& entry : old) {
      if (entry.used) COTENANT_CHECK(Insert(entry.key, entry.value));
    }
  }

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace cotenant
