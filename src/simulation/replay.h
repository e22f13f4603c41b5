#pragma once

/// Replays an event log: a fresh brain is told what the recorded one was told, and must answer the
/// same, byte for byte.
///
/// Pure: bytes in, results out. The brain begins from the log's first snapshot, so that every file
/// of a rotated log replays by itself. A log is a file: what is malformed, or could not have
/// happened, is a `Status` that names the offset.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "scheduler/actions.h"
#include "scheduler/events.h"
#include "scheduler/scheduler.h"

namespace cotenant {

/// One crank as replayed. Valid during the call.
struct ReplayedCrank {
  std::uint64_t number = 0;  ///< From 1, in this log.
  Instant now;
  std::span<const Event> events;
  const ActionList& actions;   ///< What the brain answered now, with its reasons.
  const Scheduler& scheduler;  ///< After the crank.
  const std::map<ModelId, std::string>& model_names;  ///< As the log has told them so far.
  /// Set when cranks before this one are missing from the log.
  bool after_gap = false;
};
using ReplayObserver = std::function<void(const ReplayedCrank&)>;

/// The first crank whose actions are not the recorded ones.
struct ReplayDifference {
  std::uint64_t crank = 0;
  std::size_t offset = 0;  ///< Of its record in the log.
  Instant now;
  std::vector<Event> events;
  ActionList recorded;
  ActionList replayed;
};

struct ReplayResult {
  std::uint64_t cranks = 0;
  std::uint64_t events = 0;
  std::uint64_t arrivals = 0;
  std::uint64_t actions = 0;
  std::uint64_t gaps = 0;  ///< Times that the recorder fell behind and went on from a snapshot.
  std::uint64_t lost_cranks = 0;  ///< In them.
  std::size_t torn_bytes = 0;     ///< Of a last record that was not written out whole.
  Instant first;
  Instant last;
  /// Over the actions' bytes of all cranks: equal for equal decisions.
  std::uint64_t digest = 0;
  EndCounts ends;  ///< The brain's own totals after the last crank, those before the log included.
  std::optional<ReplayDifference> difference;

  bool equal() const { return !difference.has_value(); }
};

/// Stops at the first difference; the observer has seen that crank. InvalidArgument for a log that
/// is malformed, or tells what no driver tells.
Result<ReplayResult> Replay(std::string_view log, const ReplayObserver& observer = {});

/// Some lines for people: the crank's number and time, its events, and the actions both ways.
std::string Describe(const ReplayDifference& difference);

}  // namespace cotenant
