#pragma once

/// What arrived, what began where, and what ended, as lines of comma-separated values for programs
/// that reckon with a log. Models and tenants go by their names where the log has told them.
///
///   arrived,NOW,AT,REQUEST,MODEL,TENANT,ROWS,LATENCY_BOUND
///   run,NOW,RUN,MODEL,SLOT,CORES,inline|worker,ROWS,REQUEST[;REQUEST…]
///   finished,NOW,AT,RUN,RAN_FOR    failed,NOW,AT,RUN,RAN_FOR
///   ended,NOW,REQUEST,END,REASON
///
/// Times are nanoseconds of the recorded machine's monotonic clock.

#include <cstdio>
#include <string_view>

#include "base/result.h"

namespace cotenant {

/// Appends the rows of one log, in its order. Nothing is decided again. InvalidArgument, naming the
/// offset, for a log that is malformed; Unavailable when the file cannot be written.
Status WriteDecisionRows(std::string_view log, std::FILE* file);

}  // namespace cotenant
