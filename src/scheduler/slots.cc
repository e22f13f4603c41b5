#include "scheduler/slots.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {

Slots::Slots(std::int32_t slots, std::int32_t beyond_max)
    : owner_(static_cast<std::size_t>(std::max(slots, 1)), kFree),
      chained_(owner_.size()),
      until_(owner_.size()),
      level_(owner_.size()),
      free_(static_cast<std::int32_t>(owner_.size())),
      beyond_max_(beyond_max) {}

std::int32_t Slots::LowestFree(std::int32_t from) const {
  for (auto slot = static_cast<std::size_t>(from); slot < owner_.size(); ++slot) {
    if (owner_[slot] == kFree) return static_cast<std::int32_t>(slot);
  }
  return -1;
}

std::int32_t Slots::Take(std::uint32_t run, std::int32_t cores, Instant until) {
  COTENANT_CHECK(cores >= 1 && cores <= free_);
  const std::int32_t first = LowestFree(0);
  std::int32_t slot = first;
  for (std::int32_t taken = 0; taken < cores; ++taken) {
    if (taken > 0) slot = LowestFree(slot);
    COTENANT_CHECK(slot >= 0);
    const auto index = static_cast<std::size_t>(slot);
    owner_[index] = run;
    chained_[index] = false;
    until_[index] = until;
  }
  free_ -= cores;
  return first;
}

void Slots::Return(std::uint32_t run) {
  for (std::size_t slot = 0; slot < owner_.size(); ++slot) {
    if (owner_[slot] != run || chained_[slot]) continue;
    owner_[slot] = kFree;
    ++free_;
  }
}

std::uint32_t Slots::OpenChain(bool on_slot, Instant until) {
  const std::uint32_t chain = chains_.Take();
  chains_[chain] = {-1, 0};
  if (on_slot) {
    const std::int32_t slot = LowestFree(0);
    COTENANT_CHECK(slot >= 0);
    const auto index = static_cast<std::size_t>(slot);
    owner_[index] = chain;
    chained_[index] = true;
    until_[index] = until;
    --free_;
    chains_[chain].slot = slot;
  } else {
    COTENANT_CHECK(BeyondLeft());
    ++beyond_;
  }
  return chain;
}

void Slots::Join(std::uint32_t chain, Instant until) {
  ++chains_[chain].runs;
  if (chains_[chain].slot >= 0) until_[static_cast<std::size_t>(chains_[chain].slot)] = until;
}

void Slots::Leave(std::uint32_t chain) {
  COTENANT_CHECK(chains_[chain].runs > 0);
  if (--chains_[chain].runs > 0) return;
  const std::int32_t slot = chains_[chain].slot;
  if (slot >= 0) {
    const auto index = static_cast<std::size_t>(slot);
    COTENANT_CHECK(owner_[index] == chain && chained_[index]);
    owner_[index] = kFree;
    ++free_;
  } else {
    COTENANT_CHECK(beyond_ > 0);
    --beyond_;
  }
  chains_.Give(chain);
}

Duration Slots::FreeAfter(Duration work, std::int32_t cores, Instant now) {
  for (std::size_t slot = 0; slot < owner_.size(); ++slot) {
    const bool busy = owner_[slot] != kFree && until_[slot] > now;
    const std::int64_t level = busy ? (until_[slot] - now).nanoseconds() : 0;
    // Slots are few, and mostly in order.
    std::size_t place = slot;
    for (; place > 0 && level_[place - 1] > level; --place) level_[place] = level_[place - 1];
    level_[place] = level;
  }
  // Work fills the slots like water in connected vessels, the least busy first.
  std::int64_t left = work.nanoseconds();
  std::int64_t level = level_[0];
  for (std::size_t slots = 1; slots <= level_.size(); ++slots) {
    const auto width = static_cast<std::int64_t>(slots);
    if (slots == level_.size() || (level_[slots] - level) * width >= left) {
      level += left / width;
      break;
    }
    left -= (level_[slots] - level) * width;
    level = level_[slots];
  }
  return Duration::Nanoseconds(std::max(level, level_[static_cast<std::size_t>(cores - 1)]));
}

}  // namespace cotenant
