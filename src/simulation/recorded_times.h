#pragma once

/// What an event log knows of times: how long runs and loads took on the machine that recorded it,
/// and what the node itself took for a request. By this a measured profile is refined: runs beside
/// live traffic find colder caches than runs that are measured one network at a time.
///
/// Pure: bytes in, data out; nothing is decided again. A run's time is told without what the node's
/// own work took of it meanwhile, because the simulator adds that again: reading requests and
/// writing replies goes first on a busy CPU. On several slots a run counts as alone or as beside
/// when it was so for nine tenths of its time, and else for neither. Memory grows with the log.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "catalog/profile.h"
#include "catalog/time_samples.h"

namespace cotenant {

struct RecordedTimes {
  /// Runs with these many rows.
  struct Runs {
    TimeSamples alone;
    TimeSamples beside;
    Bytes peak;
  };
  /// What one name stood for, of whatever version.
  struct Model {
    std::map<std::int32_t, Runs> runs;  ///< By rows.
    TimeSamples loads;
    Bytes mapped;  ///< As last loaded; zero when no load is in the log.
    Bytes anonymous;
  };

  std::map<std::string, Model> models;
  std::int32_t slots = 1;
  TimeSamples read;  ///< Of requests that came alone in their turn.
  TimeSamples hand_over;
  TimeSamples reply;
  std::uint64_t runs = 0;  ///< Of all models.
};

/// The logs of one machine, such as LOG.1 and LOG, in any order. InvalidArgument, naming the log by
/// its place and the offset in it, for one that is malformed or of another version.
Result<RecordedTimes> ReadRecordedTimes(std::span<const std::string_view> logs);

/// Samples below which what was measured before stays. More: a rare kind of run, seen in a bad
/// moment, changes less; it also takes longer to be refined.
inline constexpr std::uint64_t kRefiningSamplesMin = 50;
/// The same of loads, of which there are few.
inline constexpr std::uint64_t kRefiningLoadsMin = 3;

/// `kept`, which may be empty, with the log's times where there are enough of them. Rows that only
/// the log knows are added. Empty runs: neither knows any.
ModelProfile Refined(const RecordedTimes::Model& seen, ModelProfile kept);
/// The same for the node's own costs.
NodeCosts Refined(const RecordedTimes& seen, NodeCosts kept);

}  // namespace cotenant
