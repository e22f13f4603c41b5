#pragma once

/// Why the brain did what it did, as data: the policy asked, the numbers it compared, the
/// alternative that was not taken.
///
/// Plain values without text; decision_text.h makes sentences. They are output, never state: the
/// brain writes them into the `ActionList` of a crank whose owner asked for them, and decides the
/// same with or without. `policy` names live as long as the program.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "catalog/outcome.h"
#include "policy/admission.h"
#include "policy/batching.h"

namespace cotenant {

/// Where a run is carried out: on the thread that took the action (no hand-over), or on a worker.
enum class Where : unsigned char { kInline, kWorker };

/// The queue that a request found full.
enum class FullQueue : unsigned char { kNone, kModel, kTenant, kNode };

/// A request that just arrived was taken in, or refused.
struct AdmissionDecision {
  RequestId request{};
  TenantId tenant{};
  ModelId model{};
  std::int32_t rows = 1;
  /// Why not; none when it was taken in.
  std::optional<RejectReason> refused;
  std::string_view policy;
  /// What the policy said; it is asked only about requests with a bound that found room.
  std::optional<AdmissionReason> reason;
  Duration bound;     ///< From its arrival. Zero: none.
  Duration estimate;  ///< What the bound was compared with, see AdmissionChoice. Zero: nothing.
  Duration earliest_bound;    ///< When refused: the smallest longer bound that would do.
  Duration work_before;       ///< Device time of what waits and goes first.
  bool cold = false;          ///< Its model is not in memory.
  std::uint32_t running = 0;  ///< Runs.
  FullQueue full = FullQueue::kNone;
  std::uint32_t waiting = 0;      ///< Requests in the full queue, else over all models.
  std::uint32_t waiting_max = 0;  ///< Of the full queue.
  /// More accurate variants in memory that would have been too late.
  std::uint32_t passed_over = 0;
  std::int32_t accuracy = 0;      ///< Of the variant; zero: unknown, or there is only one.
  std::int32_t accuracy_min = 0;  ///< That it had to have.
  bool named = false;             ///< Its client named the variant.
};

/// Why a run is carried out where it is.
enum class WhereReason : unsigned char {
  kShort,         ///< Inline: it is short, and the turn has room.
  kFirstAlone,    ///< Inline, the first request only: the whole batch would be too long.
  kUnknown,       ///< Worker: nothing is known of its run time.
  kSeveralCores,  ///< Worker: it takes several slots.
  kTooLong,       ///< Worker: its p99 is above what may run inline.
  kTurnFull,      ///< Worker: this turn has no room left for it.
};

/// A run began.
struct StartDecision {
  RunId run{};
  ModelId model{};
  RequestId first{};  ///< The member that was next in turn; the others follow as `JoinDecision`.
  std::uint32_t members = 1;
  std::int32_t rows = 1;
  std::int64_t rows_waiting = 0;  ///< In its queue, its own included.
  std::int32_t rows_max = 1;
  Duration waited;  ///< Of the first member, since its arrival.

  std::string_view dispatch;
  std::int64_t rank = 0;  ///< Of the first member; smaller goes first.
  /// Next in turn, not taken: its first request, and that one's rank.
  std::optional<RequestId> next;
  std::int64_t next_rank = 0;

  std::string_view batching;
  BatchReason batch_reason = BatchReason::kAlone;

  Where where = Where::kWorker;
  WhereReason where_reason = WhereReason::kShort;
  Duration takes_p99 = Duration::Nanoseconds(-1);  ///< Of the run. Negative: unknown.
  std::int32_t slot = 0;
  std::int32_t cores = 1;
  std::int32_t slots_free = 0;  ///< Left after it.
};

/// One more member of a run that began.
struct JoinDecision {
  RequestId request{};
  RunId run{};
  Duration waited;
};

/// A queue whose first request was next in turn waits instead.
struct HoldDecision {
  ModelId model{};
  RequestId first{};
  std::string_view batching;
  BatchReason reason = BatchReason::kFilling;
  bool keeps_order = false;         ///< It waits for the run before it, whatever the batching says.
  Duration wait = Duration::Max();  ///< At most, from now. Max: until something changes.
  std::int32_t rows = 1;
  std::int32_t rows_max = 1;
  Duration waited;                 ///< Of the one that waits longest.
  Duration due = Duration::Max();  ///< From now to the earliest deadline. Max: none.
  Duration finish_p95 = Duration::Nanoseconds(-1);
};

/// A request ended otherwise than by a reply.
struct EndDecision {
  RequestId request{};
  ModelId model{};
  End end = End::kCancelled;
  RejectReason reason = RejectReason::kExpired;  ///< Meaningful for rejected and expired.
  bool ran = false;
  Duration since_arrival;
  Duration bound;  ///< Its latency bound. Zero: none.
};

/// A batch failed on its content; this member runs once more, by itself.
struct RerunDecision {
  RequestId request{};
  RunId run{};
  std::uint32_t members = 0;  ///< Of the run that failed.
};

/// A waiting request is to be answered by another variant.
struct MoveDecision {
  RequestId request{};
  ModelId from{};
  ModelId to{};
};

/// Who wants a load.
enum class LoadReason : unsigned char {
  kControl,
  kWaiting,
  kExpected,
  kBetter,   ///< In place of a less accurate variant.
  kSmaller,  ///< In place of a larger variant, whose room is wanted.
};

/// A model's load begins.
struct LoadDecision {
  ModelId model{};
  LoadReason reason = LoadReason::kControl;
  std::uint32_t waiting = 0;  ///< Requests of it.
  bool again = false;         ///< It was in memory before.
  /// From now until it is wanted, where that decides whose turn it is. Max: it does not.
  Duration due = Duration::Max();
  std::optional<ModelId> next;  ///< Not taken: whose turn is next.
  Duration next_due;
  Bytes size;                          ///< What it will take.
  std::optional<ModelId> in_place_of;  ///< The variant that leaves when it is there.
  /// Before it begins; meaningful while memory is limited.
  Bytes free;
  Bytes limit;
};

/// For whom a model has to leave memory.
enum class EvictReason : unsigned char {
  kForModel,  ///< As the policy planned, so that another one fits.
  kForced,    ///< So that another one fits, though the policy had no plan: least recently used.
  kShortage,  ///< Models or runs took more than was expected.
  kReplaced,  ///< Another variant of its model has taken its place.
  kIdle,      ///< Nobody has asked for it for long.
  kTenant,    ///< Its tenant has more than it may.
};

/// A model has to leave memory, at once or after its last run.
struct EvictDecision {
  ModelId model{};
  EvictReason reason = EvictReason::kForModel;
  std::string_view policy;
  std::optional<ModelId> asked;  ///< Who gets the room.
  Bytes size;                    ///< What it gives.
  Bytes needed;                  ///< What is lacking, before anybody gives.
  /// What the choice went by, see LeavingFigure. No name: there was nothing to choose.
  std::string_view figure;
  std::int64_t value = 0;
  std::optional<ModelId> next;  ///< Not taken: who would have left next.
  std::int64_t next_value = 0;
  Duration unused = Duration::Nanoseconds(-1);  ///< Since its last request. Negative: none came.
  std::uint32_t waiting = 0;                    ///< Its requests: they wait until it is back.
  std::uint32_t running = 0;
};

using Decision =
    std::variant<AdmissionDecision, StartDecision, JoinDecision, HoldDecision, EndDecision,
                 RerunDecision, LoadDecision, EvictDecision, MoveDecision>;

}  // namespace cotenant
