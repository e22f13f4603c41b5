#pragma once

/// What came in while an event log was recorded, as a scenario: its tenants, policies and models,
/// and every arrival as a trace. So a recorded week is played under other policies, by the
/// simulator or against a server.
///
/// Pure: bytes in, data out. Nothing is decided again, so a log is read whatever this program would
/// decide. The scenario's clock starts with the first arrival. Models go by their names: versions
/// of one model become one. A model's run times are what the log saw: they hold what the runs cost
/// each other on the recorded machine, and stand in until there is a profile.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "catalog/scenario.h"

namespace cotenant {

/// Quantiles of a model's recorded run times.
inline constexpr std::size_t kRecordedQuantiles = 65;

struct RecordedLoad {
  /// One source, a trace; name and description are empty. Only models that somebody asked for;
  /// those that never ran have no run times. No load when nothing arrived.
  Scenario scenario;
  std::uint64_t arrivals = 0;
  std::uint64_t gaps = 0;         ///< Times that the recorder fell behind.
  std::uint64_t lost_cranks = 0;  ///< In them; what arrived there is not known.
  std::size_t torn_bytes = 0;     ///< Of last records that were not written out whole.
};

/// The logs of one machine, such as LOG.1 and LOG, in any order. InvalidArgument, naming the log by
/// its place and the offset in it, for one that is malformed or of another version.
Result<RecordedLoad> ReadRecordedLoad(std::span<const std::string_view> logs);

}  // namespace cotenant
