#pragma once

/// What the brain tells the driver to do. Plain values, in the order in which they are to be
/// carried out.
///
/// An action may find its request already gone: carrying one out twice or too late is harmless.

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/outcome.h"
#include "scheduler/decision.h"

namespace cotenant {

/// Execute these members as one batch. Inline runs of one crank are carried out one after another;
/// their ends are events of the same thread's next crank.
struct StartRun {
  RunId run{};
  ModelId model{};
  /// Members are `ActionList::members[first_member … first_member + member_count)`.
  std::uint32_t first_member = 0;
  std::uint32_t member_count = 0;
  std::int32_t rows = 0;
  Where where = Where::kWorker;
  std::int32_t slot = 0;   ///< First CPU slot it takes; -1 for an inline run beyond the slots.
  std::int32_t cores = 1;  ///< CPU slots it takes.
};

/// Every member is gone: stop computing. The run keeps its slots until it ends, by an event as
/// ever.
struct StopRun {
  RunId run{};
};

/// The request ended with a run: its outputs are the run's (kReplied), or the run's failure
/// (kFailed), or nobody waits any more (kCancelled; no run reads its inputs from now on).
struct Reply {
  RequestId request{};
  End end = End::kReplied;
  bool cold = false;  ///< Its model was not in memory when it arrived.
};

/// The request is not run.
struct Reject {
  RequestId request{};
  End end = End::kRejected;  ///< kRejected or kExpired.
  Code code = Code::kUnavailable;
  RejectReason reason = RejectReason::kQueueFull;
  /// kNotFeasible: the smallest longer bound that would have been admitted now, in whole
  /// microseconds. Else zero.
  Duration earliest_bound;
  /// When to try again; zero when unknown.
  Duration retry_after;
  /// kNotFeasible: what the bound was compared with: the estimated time from arrival to reply
  /// (p95), or the fastest run ever seen.
  Duration estimate;
};

/// Load the model now, for the first time or after it was evicted; ends by `LoadFinished` or
/// `LoadFailed`.
struct StartLoad {
  ModelId model{};
};

/// The model's last request has ended: give its memory back; ends by `Unloaded`.
struct StartUnload {
  ModelId model{};
};

/// Its memory is wanted for others: the network leaves memory, the model stays known. None of its
/// runs is in progress, and none begins before a new `LoadFinished`. Ends by `Evicted`.
struct StartEvict {
  ModelId model{};
};

/// Nobody waits for this load any more, or the model is to be unloaded: give it up if that is still
/// possible, by `LoadFailed` with kCancelled. `LoadFinished` is as good: it was too late.
struct StopLoad {
  ModelId model{};
};

/// The one timer: crank with `Woken` at this time, or earlier, or later. Replaces the one before.
struct WakeAt {
  Instant at;
};

/// Draining, and the last accepted request's reply is written.
struct Drained {};

using Action = std::variant<StartRun, StopRun, Reply, Reject, StartLoad, StartUnload, WakeAt,
                            Drained, StartEvict, StopLoad>;

/// The actions of one crank. Reused by its owner, so that the steady path allocates nothing.
struct ActionList {
  std::vector<Action> actions;
  std::vector<RequestId> members;
  /// Why, in the order decided; filled only while `with_reasons`. Not part of what is carried out,
  /// of logs or of replays.
  std::vector<Decision> decisions;
  bool with_reasons = false;  ///< Set by the owner; `Clear` keeps it.

  void Clear() {
    actions.clear();
    members.clear();
    decisions.clear();
  }
  std::span<const RequestId> MembersOf(const StartRun& run) const {
    return std::span(members).subspan(run.first_member, run.member_count);
  }
};

}  // namespace cotenant
