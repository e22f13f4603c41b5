#pragma once

/// The fields of an arrival history, for event logs and snapshots, and what holds between them.

#include <cstdint>
#include <numeric>

#include "policy/arrival_history.h"

namespace cotenant {

/// A change of the list changes the format: raise `kEventLogVersion`.
void VisitHistory(auto& archive, auto& history) {
  archive(history.requests, history.first, history.last, history.last_interval,
          history.average_interval, history.mean_interval, history.weight, history.foreseen,
          history.unforeseen);
  for (auto& count : history.intervals) archive(count);
  for (auto& count : history.foreseen_after) archive(count);
  for (auto& count : history.unforeseen_after) archive(count);
}

/// Could a model have it whose server's clock says `now`?
inline bool SoundHistory(const ArrivalHistory& history, Instant now) {
  for (const Duration span :
       {history.last_interval, history.average_interval, history.mean_interval}) {
    if (span < Duration() || span > Duration::Max() / 8) return false;
  }
  const std::uint64_t weight =
      std::accumulate(history.intervals.begin(), history.intervals.end(), std::uint64_t{0});
  return weight == history.weight && history.first >= Instant() && history.first <= history.last &&
         history.last <= now;
}

}  // namespace cotenant
