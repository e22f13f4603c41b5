#pragma once

/// Says whether a queue of requests that may share a run should start now, with how many rows, or
/// wait for more.
///
/// Stateless and deterministic. Called when the queue could run: with whatever waits, at most until
/// a time that the policy names. A queue is asked again when a request joins or leaves it, when
/// that time has come, and when it is next in turn.

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "catalog/model_config.h"
#include "policy/properties.h"

namespace cotenant {

/// What a batching policy may know of one queue. Never empty.
struct QueueView {
  /// Rows of the request that is first in turn.
  std::int32_t first_rows = 1;
  /// Rows that one run could take now: the requests first in turn that fit together, at most
  /// `rows_max`.
  std::int32_t rows = 1;
  /// The request behind those does not fit: waiting adds nothing.
  bool closed = false;
  /// Most rows of one run.
  std::int32_t rows_max = 1;
  /// The model's dynamic batcher as configured; null when it asks for none.
  const DynamicBatching* window = nullptr;
  /// Arrival of the request that waits longest.
  Instant oldest;
  /// Earliest deadline among those that wait, `Instant::Max()` for none.
  Instant deadline = Instant::Max();
  /// p95 from the start of a run with these rows to its replies written; negative while
  /// nothing is known.
  Duration finish_p95 = Duration::Nanoseconds(-1);
};

enum class BatchReason : unsigned char {
  kAlone,      ///< The policy joins nothing.
  kFull,       ///< No more rows fit.
  kPreferred,  ///< A preferred size is reached.
  kDelayOver,  ///< The oldest waited as long as it may.
  kDeadline,   ///< Waiting longer would break a deadline.
  kNoDelay,    ///< Nothing says to wait.
  kFilling,    ///< Waits for more rows.
};

struct BatchChoice {
  /// Join requests up to this many rows; the first one always runs. Zero: wait.
  std::int32_t rows = 0;
  /// When waiting: ask again now at the latest. Later than the `now` given.
  Instant until = Instant::Max();
  BatchReason reason = BatchReason::kAlone;
};

class BatchingPolicy {
 public:
  virtual ~BatchingPolicy() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view description() const = 0;
  /// Where it comes from: author, venue, year. Empty: our own.
  virtual std::string_view paper() const { return {}; }
  virtual PolicyProperties properties() const = 0;
  /// Does it ever join requests? If not, requests of all shapes share one queue.
  virtual bool joins() const = 0;
  virtual BatchChoice Choose(const QueueView& queue, Instant now) const = 0;
};

}  // namespace cotenant
