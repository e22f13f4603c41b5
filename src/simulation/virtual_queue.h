#pragma once

/// What will happen, in order of virtual time; first planned first among things of the same
/// instant.

#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "base/time.h"

namespace cotenant {

template <typename T>
class VirtualQueue {
 public:
  void Plan(Instant at, T what) { entries_.push({at, planned_++, std::move(what)}); }
  bool empty() const { return entries_.empty(); }
  Instant next() const { return entries_.top().at; }
  T Take() {
    T what = entries_.top().what;
    entries_.pop();
    return what;
  }

 private:
  struct Entry {
    Instant at;
    std::uint64_t sequence;
    T what;
    bool operator<(const Entry& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };
  std::priority_queue<Entry> entries_;
  std::uint64_t planned_ = 0;
};

}  // namespace cotenant
