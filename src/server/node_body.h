#pragma once

/// The parts of a node, put together. Private to server/.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "server/controller.h"
#include "server/history_file.h"
#include "server/keeper.h"
#include "server/live_brain.h"
#include "server/memory_watch.h"
#include "server/model_table.h"
#include "server/node.h"
#include "server/reply.h"
#include "server/sequences.h"
#include "server/worker_pool.h"

namespace cotenant {

class Node::Body {
 public:
  Body(Node& node, ModelSource& source, Backend& backend_, Telemetry& telemetry_);

  /// Hands an event that belongs to no turn (control, the timer) to the brain and carries the
  /// actions out. Any thread, but not from inside a turn.
  void Tell(Event event);
  /// Returns when no lane holds a table older than the newest one.
  void AwaitLanes();
  /// A request of a sequence goes to the variant that answered the one before.
  void StayInSequence(InferCall& call, Arrived& arrived);
  void RememberSequence(const InferCall& call, ModelId variant);
  /// Looks at what other programs leave of the budget, and tells the brain when that changes. →
  /// when to look again; zero: after the next run. The keeper's thread.
  Duration WatchMemory();
  RefusalFacts FactsFor(const Reject& reject, TenantId tenant) const;
  void Enter(Lane& lane);
  void Leave(Lane& lane);

  Node& node;
  Backend& backend;
  Telemetry& telemetry;
  const Instant started;
  ModelTables tables;
  Sequences sequences;
  std::atomic<bool> draining = false;
  std::mutex drained_mutex;
  std::function<void()> drained;
  MemoryWatch watch;
  HistoryFile histories;
  Instant histories_saved;                 ///< Last begun. The keeper's thread.
  std::atomic<std::int64_t> given_up = 0;  ///< Bytes of the budget.
  std::mutex lanes_mutex;
  std::vector<Lane*> lanes;
  Keeper keeper;
  LiveBrain brain;
  WorkerPool workers;
  Controller controller;
  std::mutex control_mutex;
  std::unique_ptr<Lane> control_lane;  ///< For events from threads that have none.
};

}  // namespace cotenant
