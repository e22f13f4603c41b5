#pragma once

/// One thread's side of the node: collects the events of a turn, then cranks the brain once.
///
/// Every thread that turns has exactly one lane: I/O threads, gRPC's completion-queue threads, workers. A lane is used
/// by its own thread only. A *turn* has two phases: the thread first takes everything that is ready and calls
/// `Node::Submit`, `Cancel` and `Written`, which only collect events; then `FinishTurn` hands all of them to the brain
/// under one short lock, takes the actions out, releases the lock and carries them out, inline runs included.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

class ActiveRun;
class InferCall;
class Node;

class Lane {
 public:
  explicit Lane(Node& node);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Call when the thread comes back from waiting, before it reads anything: arrivals of this turn count from here.
  void BeginTurn();
  /// The time of `BeginTurn`; protocols put it into `InferCall::at`.
  Instant turn_began() const { return turn_began_; }

  /// Ends the turn. True: there is more to do (inline work was put off so that connections are served first), so poll
  /// without waiting and call again. Completes calls (`InferCall::Complete`) from inside.
  bool FinishTurn();

 private:
  friend class Node;
  struct Work;  // What a crank's actions came to, with ids resolved to objects.

  void CarryOut();
  void RunInline();

  Node& node_;
  Instant turn_began_;
  std::uint64_t next_request_;
  std::vector<Event> events_;
  std::vector<InferCall*> arrivals_;  ///< The calls of the `Arrived` events, in order.
  std::vector<ActiveRun*> inline_runs_;
  std::unique_ptr<Work> work_;
};

}  // namespace cotenant
