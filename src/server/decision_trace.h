#pragma once

/// A file of what arrived, what began where, and what ended, for `serve --decision-trace FILE`.
///
/// Lines of comma-separated values, times in nanoseconds of the node's monotonic clock:
///   arrived,NOW,AT,REQUEST,MODEL,TENANT,ROWS,LATENCY_BOUND
///   run,NOW,RUN,MODEL,SLOT,CORES,inline|worker,ROWS,REQUEST[;REQUEST…]
///   finished,NOW,AT,RUN,RAN_FOR    failed,NOW,AT,RUN,RAN_FOR
///   ended,NOW,REQUEST,END,REASON
/// Used under the brain's lock. Bounded: after `kTraceBytesMax` a last line `truncated` is written,
/// and no more.

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

/// Raise it for traces longer than about two million requests.
inline constexpr std::int64_t kTraceBytesMax = std::int64_t{512} << 20;

class DecisionTrace {
 public:
  /// A file that cannot be opened leaves the trace silent; the server checks the path before.
  explicit DecisionTrace(const std::string& path);
  ~DecisionTrace();
  DecisionTrace(const DecisionTrace&) = delete;
  DecisionTrace& operator=(const DecisionTrace&) = delete;

  void Write(Instant now, std::span<const Event> events, const ActionList& actions);

 private:
  std::FILE* file_;
  std::int64_t written_ = 0;
};

}  // namespace cotenant
