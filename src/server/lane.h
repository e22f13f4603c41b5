#pragma once

/// One thread's side of the node: collects the events of a turn, then cranks the brain once.
///
/// Every thread that turns has exactly one lane: I/O threads, gRPC's completion-queue threads,
/// workers. A lane is used by its own thread only. A *turn* has two phases: the thread first takes
/// everything that is ready and calls `Node::Submit`, `Cancel` and `Written`, which only collect
/// events; then `FinishTurn` hands all of them to the brain under one short lock, takes the actions
/// out, releases the lock and carries them out, inline runs included.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/time.h"
#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

class ActiveRun;
class InferCall;
class Node;
struct ModelTable;

/// What a crank's actions came to, with numbers resolved to objects. Reused from turn to turn.
struct LaneWork {
  struct Ending {
    InferCall* call = nullptr;
    End end = End::kReplied;
    Reject reject;      ///< Meaningful for kRejected and kExpired.
    bool cold = false;  ///< Its model was not in memory when it arrived.
  };
  ActionList actions;
  std::vector<Ending> endings;
  std::vector<ActiveRun*> inline_runs;
  std::vector<ActiveRun*> worker_runs;
  std::vector<ActiveRun*> released;  ///< Runs that a rerun or an end without readers let go.
  std::vector<ModelId> loads;
  std::vector<ModelId> unloads;
  std::vector<ModelId> evictions;
  std::vector<ModelId> stopped_loads;
  bool drained = false;
};

class Lane {
 public:
  /// What the thread may carry out itself. A thread that must not be held up hands inline runs to
  /// the workers.
  enum class Kind : unsigned char { kServing, kWorker, kKeeper };

  explicit Lane(Node& node, Kind kind = Kind::kServing);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// When this turn began: the first time that anybody asked in it. Ask before reading, and put it
  /// into `InferCall::at`: deadlines count from here.
  Instant TurnBegan();
  /// Begins the turn now; the same as asking, for threads that know when they came back from
  /// waiting.
  void BeginTurn() { TurnBegan(); }

  /// Ends the turn. True: there is more to do (inline work was put off so that connections are
  /// served first), so poll without waiting and call again. Completes calls (`InferCall::Complete`)
  /// from inside.
  bool FinishTurn();

  /// Workers: executes the run, ends the turn, and returns the next run if the brain gave one.
  ActiveRun* Work(ActiveRun& run);

  /// Waits until the lane has left the turn that it is in, if any: it then holds no stale table.
  /// Other threads.
  void AwaitTurnEnd() const;

 private:
  friend class Node;

  void Crank();
  void CarryOut();
  void RunInline();
  void Execute(ActiveRun& run);
  void EndCall(const LaneWork::Ending& ending);
  void Release(ActiveRun& run);
  const ModelTable& Table();

  Node& node_;
  Kind kind_;
  Instant turn_began_;
  bool in_turn_ = false;
  std::atomic<std::uint64_t> turns_ = 0;  ///< Odd while in a turn.
  std::vector<Event> events_;
  std::vector<InferCall*> arrivals_;    ///< The calls of the `Arrived` events, in order.
  std::vector<InferCall*> departures_;  ///< Of the `Gone` events, in order; null: numbered.
  std::vector<ActiveRun*> ended_;  ///< Runs of this lane's `RunFinished` and `RunFailed` events.
  std::vector<ActiveRun*> inline_runs_;
  std::vector<ActiveRun*> free_runs_;  ///< Without readers; go back to the pool at the next crank.
  ActiveRun* own_run_ = nullptr;       ///< Workers: the next run, taken without a hand-over.
  LaneWork work_;
  std::shared_ptr<const ModelTable> table_;
  std::uint64_t table_generation_ = 0;
};

}  // namespace cotenant
