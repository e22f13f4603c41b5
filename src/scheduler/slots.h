#pragma once

/// The CPU slots of the node: who takes which, and the chains of inline runs.
///
/// A *chain* is the inline runs that one crank handed out: its thread carries them out one after
/// another, so the chain takes one slot, or none of the slots (-1) up to a bounded number of such
/// chains, until its last run has ended. Invariant: a slot has at most one owner.

#include <cstdint>
#include <span>
#include <vector>

#include "base/slab.h"
#include "base/time.h"

namespace cotenant {

class Slots {
 public:
  Slots(std::int32_t slots, std::int32_t beyond_max);

  std::int32_t total() const { return static_cast<std::int32_t>(owner_.size()); }
  std::int32_t free() const { return free_; }
  std::int32_t beyond() const { return beyond_; }
  bool BeyondLeft() const { return beyond_ < beyond_max_; }

  /// Gives the lowest `cores` free slots to `run`, expected to be busy until `until`; the first
  /// one's number.
  std::int32_t Take(std::uint32_t run, std::int32_t cores, Instant until);
  /// Returns what `run` took.
  void Return(std::uint32_t run);

  /// Opens a chain on a free slot, or beyond the slots (`on_slot` false).
  std::uint32_t OpenChain(bool on_slot, Instant until);
  /// One more run in the chain.
  void Join(std::uint32_t chain, Instant until);
  /// A run of the chain ended; after the last one the chain is gone.
  void Leave(std::uint32_t chain);
  std::int32_t SlotOf(std::uint32_t chain) const { return chains_[chain].slot; }

  /// How long until `cores` slots have caught up with `work` (device time that goes first), spread
  /// over all slots as they get free. Zero when there is no work and as many slots are free.
  Duration FreeAfter(Duration work, std::int32_t cores, Instant now);

 private:
  friend class Snapshot;
  static constexpr std::uint32_t kFree = kNowhere;
  struct Chain {
    std::int32_t slot = -1;
    std::int32_t runs = 0;
  };

  std::int32_t LowestFree(std::int32_t from) const;

  std::vector<std::uint32_t> owner_;  ///< Per slot: the run, or the chain, or `kFree`.
  std::vector<bool> chained_;         ///< Per slot: is the owner a chain?
  std::vector<Instant> until_;        ///< Per slot: when it is expected to be free.
  std::vector<std::int64_t> level_;   ///< Working space of `FreeAfter`.
  Slab<Chain> chains_;
  std::int32_t free_;
  std::int32_t beyond_ = 0;
  std::int32_t beyond_max_;
};

}  // namespace cotenant
