#include "server/memory_watch.h"

#include <algorithm>

namespace cotenant {
namespace {

/// Programs that take memory and give it back in turn must not have models loaded and evicted in
/// the same turn. Raise it if they do so more slowly.
constexpr Duration kCalm = Duration::Seconds(10);
/// Between two searches for unused heap. Raise it if they take long.
constexpr Duration kTrimInterval = Duration::Seconds(5);

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

bool MemoryWatch::ShouldTrim(Bytes resident, Instant now) {
  if (resident <= budget_ - Bytes(budget_.count() / 16) || now < trim_next_) return false;
  trim_next_ = now + kTrimInterval;
  return true;
}

}  // namespace cotenant
