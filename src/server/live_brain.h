#pragma once

/// The brain under its lock, and what its numbers stand for: calls, models, runs.
///
/// One lock serves many requests: a lane hands over all events of a turn at once, and takes the
/// actions out with ids resolved to objects. Nothing is carried out under the lock but stopping a
/// run, which only sets a flag.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "scheduler/scheduler.h"
#include "server/active_run.h"
#include "server/decision_ring.h"
#include "server/event_recorder.h"
#include "server/infer_call.h"
#include "server/lane.h"

namespace cotenant {

/// What a lane hands to the brain at the end of a turn.
struct LaneEvents {
  std::vector<Event>& events;
  std::span<InferCall* const> arrivals;  ///< One for each `Arrived`, in order; ids are given here.
  std::span<InferCall* const> departures;  ///< One for each `Gone`, in order.
  std::span<ActiveRun* const> ended;       ///< The runs of `RunFinished` and `RunFailed`.
  std::vector<ActiveRun*>& free_runs;      ///< Runs to take back into the pool; cleared.
};

class LiveBrain {
 public:
  /// `set_wake` arms the one timer; it is called under the lock and must not block.
  LiveBrain(SchedulerSettings settings, std::uint32_t decisions_max,
            std::function<void(Instant)> set_wake);
  ~LiveBrain();

  /// Records every crank from now on. Once, before the first one.
  Status StartRecording(RecorderOptions options);
  /// Blocks until what was recorded is in the file, for a bounded time. Not under the lock.
  void FlushRecording();

  /// Reads the clock, cranks once, and fills `work` (cleared first).
  void Crank(LaneEvents events, LaneWork& work);

  /// A number for the model `name`, which is to be loaded. `Bind` before its `LoadFinished`;
  /// `Unbind` gives the number back.
  ModelId Allocate(const std::string& name);
  void Bind(ModelId id, std::shared_ptr<ServedModel> model);
  void Unbind(ModelId id);

  /// Why: the last decisions, or all that are kept of one request, see DecisionRing.
  bool KeepsDecisions() const { return decisions_.on(); }
  std::vector<RecordedDecision> LastDecisions(std::size_t count) const;
  std::vector<RecordedDecision> DecisionsOf(std::string_view request) const;
  /// Empty when no model has this number now.
  std::string ModelName(ModelId id) const;

  EndCounts Ends() const;
  MemoryFacts Memory() const;
  std::optional<ArrivalHistory> HistoryOf(ModelId id) const;
  std::uint32_t Waiting(ModelId id) const;
  std::uint32_t Running() const;

 private:
  struct CallSlot {
    InferCall* call = nullptr;
    std::uint32_t generation = 0;
  };

  RequestId Register(InferCall& call);
  InferCall& Known(RequestId id);
  InferCall& Forget(RequestId id);
  void KeepDecisions(const ActionList& actions);
  void Resolve(LaneWork& work);
  void Begin(const StartRun& start, LaneWork& work);
  void Detach(InferCall& call, LaneWork& work);

  mutable std::mutex mutex_;
  Scheduler scheduler_;
  Instant now_;
  std::vector<CallSlot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::shared_ptr<ServedModel>> models_;
  std::vector<bool> model_taken_;
  std::vector<std::unique_ptr<ActiveRun>> all_runs_;
  std::vector<ActiveRun*> idle_runs_;
  std::vector<ActiveRun*> active_;
  DecisionRing decisions_;
  std::unique_ptr<EventRecorder> recorder_;  ///< Null: nothing is recorded.
  std::function<void(Instant)> set_wake_;
};

}  // namespace cotenant
