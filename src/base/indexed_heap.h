#pragma once

/// A binary heap of small numbers (indices of a slab), each with a key; any of them can be re-keyed
/// or removed.
///
/// `Key` has `operator<`; keys of different items should differ, or the order of equal ones is
/// decided by the history of calls (repeatable, but not meaningful). All calls O(log n); memory
/// grows to the most items.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace cotenant {

template <typename Key>
class IndexedHeap {
 public:
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  bool Contains(std::uint32_t item) const {
    return item < position_.size() && position_[item] != kAbsent;
  }
  std::uint32_t top() const { return entries_.front().item; }
  const Key& top_key() const { return entries_.front().key; }

  /// Adds the item, or changes its key.
  void Set(std::uint32_t item, const Key& key) {
    if (item >= position_.size()) position_.resize(item + 1, kAbsent);
    if (position_[item] == kAbsent) {
      entries_.push_back({key, item});
      position_[item] = static_cast<std::uint32_t>(entries_.size() - 1);
      Up(entries_.size() - 1);
      return;
    }
    const std::size_t at = position_[item];
    entries_[at].key = key;
    Up(at);
    Down(position_[item]);
  }
  /// Harmless when the item is not there.
  void Remove(std::uint32_t item) {
    if (!Contains(item)) return;
    const std::size_t at = position_[item];
    const std::size_t last = entries_.size() - 1;
    if (at != last) Put(at, entries_[last]);
    entries_.pop_back();
    position_[item] = kAbsent;
    if (at == last) return;
    const std::uint32_t moved = entries_[at].item;
    Up(at);
    Down(position_[moved]);
  }

  /// For snapshots: calls `visit(item, key)` in the heap's own order. `Append`ed in that order to
  /// an empty heap they make the same heap, the order of equal keys included.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const Entry& entry : entries_) visit(entry.item, entry.key);
  }
  /// False, changing nothing, when the item is there already or its key is below its parent's.
  bool Append(std::uint32_t item, const Key& key) {
    const std::size_t at = entries_.size();
    if (Contains(item) || (at > 0 && key < entries_[(at - 1) / 2].key)) return false;
    Set(item, key);
    return true;
  }

 private:
  static constexpr std::uint32_t kAbsent = 0xffffffffU;
  struct Entry {
    Key key;
    std::uint32_t item;
  };

  void Put(std::size_t at, const Entry& entry) {
    entries_[at] = entry;
    position_[entry.item] = static_cast<std::uint32_t>(at);
  }
  void Up(std::size_t at) {
    const Entry entry = entries_[at];
    for (; at > 0 && entry.key < entries_[(at - 1) / 2].key; at = (at - 1) / 2) {
      Put(at, entries_[(at - 1) / 2]);
    }
    Put(at, entry);
  }
  void Down(std::size_t at) {
    const Entry entry = entries_[at];
    const std::size_t size = entries_.size();
    for (std::size_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && entries_[child + 1].key < entries_[child].key) ++child;
      if (!(entries_[child].key < entry.key)) break;
      Put(at, entries_[child]);
      at = child;
    }
    Put(at, entry);
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> position_;
};

}  // namespace cotenant
