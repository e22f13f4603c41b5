#pragma once

/// Reads and writes a trace of requests as CSV: a header of names, then a row for each request.
///
///   time_s,tenant,model[,rows][,latency_bound_ms]
///
/// Columns may stand in any order; empty lines and those that begin with '#' are skipped; fields
/// are not quoted. Times are decimal seconds since the scenario's start and never decrease.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/scenario.h"

namespace cotenant {

/// The rows are held in memory, 40 bytes each. Raise these for longer recordings.
inline constexpr std::int64_t kTraceBytesMax = 512 << 20;
inline constexpr std::size_t kTraceRowsMax = 10'000'000;

/// InvalidArgument with all mistakes (up to a limit), a line for each: file, line, column, what is
/// wrong. `file` is what messages call the text.
Result<TraceArrivals> ParseTrace(std::string_view text, const std::string& file,
                                 std::span<const std::string> tenants,
                                 std::span<const ScenarioModel> models);

/// The same text back. Names are plain (`IsPlainName`) and have these places.
std::string TraceText(const TraceArrivals& trace, std::span<const std::string> tenants,
                      std::span<const ScenarioModel> models);

}  // namespace cotenant
