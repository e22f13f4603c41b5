#pragma once

/// The brain's own records of requests, queues, runs and models. Plain data, named by their index
/// in a slab.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/rank_forest.h"
#include "base/slab.h"
#include "base/time.h"
#include "policy/arrival_history.h"
#include "policy/batching.h"
#include "policy/forecast_score.h"
#include "scheduler/events.h"
#include "scheduler/run_estimates.h"

namespace cotenant {

/// From arrival until its reply is written.
struct Request {
  enum class State : unsigned char { kWaiting, kRunning, kEnded };

  RequestId id{};
  std::uint64_t sequence = 0;  ///< Of its arrival, over all events.
  Instant at;
  Instant taken;  ///< `now` of the crank that brought it.
  Instant deadline = Instant::Max();
  Instant queue_deadline = Instant::Max();  ///< Triton's timeout, while it counts.
  /// Given up if it has not begun by then: the deadline, or earlier under some admission policies.
  Instant latest_start = Instant::Max();
  Instant run_ended = Instant::Max();  ///< For replied ones.
  TenantId tenant{};
  ModelId model{};            ///< The variant that is to answer, as things stand.
  bool named = false;         ///< Its client named that variant.
  std::int32_t accuracy = 0;  ///< No variant that is less accurate may answer.
  std::int32_t rows = 1;
  std::uint32_t level = 0;  ///< Priority level; 0 for a model without levels.
  std::uint64_t batch_key = 0;
  std::int64_t virtual_start = 0;
  Duration cost;  ///< Device time charged to its tenant so far for the coming run.
  State state = State::kWaiting;
  bool gone = false;     ///< The client went away while it ran.
  bool alone = false;    ///< Its batch failed on content: it runs once more, by itself.
  bool delayed = false;  ///< Over its queue timeout with action DELAY: behind the others.
  bool cold = false;     ///< Its model was not in memory when it arrived.
  std::uint32_t queue = kNowhere;
  std::uint32_t run = kNowhere;          ///< While it runs.
  std::uint32_t next_member = kNowhere;  ///< Of the same run.
};

/// The requests of one model that may share runs. Exists while any waits.
struct Queue {
  ModelId model{};
  std::uint64_t key = 0;
  std::uint64_t sequence = 0;  ///< Of its creation: breaks ties between waits.
  RankForest::Root root = RankForest::kEmpty;
  Duration cost;  ///< Of all its requests.
  Instant oldest = Instant::Max();
  Instant deadline = Instant::Max();
  bool exact = true;              ///< `oldest` and `deadline` are of requests still here.
  bool may_inline = false;        ///< Its first request may run inline.
  std::uint32_t next = kNowhere;  ///< Of the same model.
  std::uint32_t previous = kNowhere;
};

struct StartedRun {
  RunId id{};
  ModelId model{};
  std::int32_t rows = 0;
  std::int32_t cores = 1;
  std::uint32_t member_count = 0;
  std::uint32_t live = 0;  ///< Members that somebody still waits for.
  std::uint32_t first_member = kNowhere;
  std::uint32_t chain = kNowhere;  ///< Of an inline run.
};

/// What a model is to the account of memory, and what decides whether it stays there. Kept up only
/// while memory is limited.
struct ModelMemory {
  Bytes size;       ///< Mapped and anonymous: as measured, or before the first load as expected.
  Bytes held;       ///< Of the account: from the start of its load until it has left.
  Bytes peak;       ///< The greatest of its runs. Zero: unknown.
  Bytes load_peak;  ///< At any time of its load, what stays included; may be less than `size`.
  Duration load_takes;  ///< As the last one did. Zero: unknown.
  Instant load_began;
  Instant since;                 ///< In memory since then.
  Instant due = Instant::Max();  ///< Its load is wanted, in the order of these times.
  Instant retry_at;              ///< A load failed: no other before then.
  Duration backoff;
  Instant last_used;
  Instant expected = Instant::Max();  ///< Its next request, as foretold.
  std::int64_t credit = 0;
  bool ran = false;  ///< A run began since it is in memory.
  /// The only tenant that has asked for it since its load began, if there is one.
  std::optional<TenantId> user;
  bool shared = false;        ///< Several have.
  bool for_requests = false;  ///< Its load began because requests waited.
  bool load_peak_guessed = false;
  bool load_stopped = false;   ///< `StopLoad` was said of the load in progress.
  bool load_given_up = false;  ///< And its last load ended so: the next one is carried through.
  TestedForecast tested;
  ArrivalHistory history;
};

struct ModelRecord {
  /// kLeaving: in memory, no run begins any more, evicted after its last run. kOut: served, but not
  /// in memory.
  enum class State : unsigned char {
    kAbsent,
    kQueued,
    kLoading,
    kReady,
    kUnloading,
    kLeaving,
    kEvicting,
    kOut
  };

  State state = State::kAbsent;
  bool served = false;  ///< It was loaded once: requests may name it.
  bool unload_wanted = false;
  bool may_inline = false;      ///< With hysteresis: p99 of a single row is small enough.
  bool one_queue = true;        ///< All shapes wait in one queue, in one order.
  ModelId family = kNoModelId;  ///< Whose variant it is; its own number for the first of them.
  std::int32_t accuracy = 0;    ///< Thousandths of points. Zero: unknown.
  /// Of the first: all, itself included, in the order in which they came.
  std::vector<ModelId> variants;
  /// Of the first: the most that the settings of tenants who sent requests ask for.
  std::int32_t tenants_ask = 0;
  ModelSettings settings;
  const BatchingPolicy* batching = nullptr;
  RunEstimates estimates;
  std::uint32_t accepted = 0;  ///< Requests that have not ended.
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;  ///< Runs.
  std::vector<std::uint32_t> waiting_by_level;
  std::uint32_t first_queue = kNowhere;
  ModelMemory memory;

  bool Resident() const { return state == State::kReady || state == State::kLeaving; }
  /// Has its model other variants? Asked of the first of them.
  bool Several() const { return variants.size() > 1; }
  bool KeepsOrder() const { return settings.batching && settings.window.preserve_ordering; }
  const DynamicBatching* window() const { return settings.batching ? &settings.window : nullptr; }
};

}  // namespace cotenant
