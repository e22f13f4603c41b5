#include "server/memory_watch.h"

#include <algorithm>

namespace cotenant {
namespace {

/// Programs that take memory and give it back in turn must not have models loaded and evicted in
/// the same turn. Raise it if they do so more slowly.
constexpr Duration kCalm = Duration::Seconds(10);

}  // namespace

Bytes MemoryWatch::Lacking(Bytes room) const {
  const Bytes usable = room - Bytes(room.count() / 32);
  return std::clamp(budget_ - usable, Bytes(), budget_);
}

std::optional<Bytes> MemoryWatch::Look(Bytes room, Instant now) {
  const Bytes lacking = Lacking(room);
  if (IsShort(room)) {
    since_ = Instant::Max();
    given_up_ = lacking;
    return given_up_;
  }
  const bool less = given_up_ > Bytes() && lacking + Step() + Step() <= given_up_;
  const bool none = given_up_ > Bytes() && lacking < Step();
  if (!less && !none) {
    since_ = Instant::Max();
    return std::nullopt;
  }
  if (since_ == Instant::Max()) {
    since_ = now;
    lately_ = Bytes();
  }
  lately_ = std::max(lately_, lacking);
  if (now - since_ < kCalm) return std::nullopt;
  since_ = Instant::Max();
  given_up_ = lately_ < Step() ? Bytes() : lately_;
  return given_up_;
}

}  // namespace cotenant
