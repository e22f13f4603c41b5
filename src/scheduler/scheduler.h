#pragma once

/// One node's brain: queues, slots and policies. Events and `now` go in, actions come out as data.
///
/// Single-threaded: the driver serialises calls (the live server under one lock, the simulator by
/// being one thread). It owns no thread, clock, socket, file or chance, and decides nothing from
/// hash-map or pointer order, so that the same events give the same actions, byte for byte.
/// A crank allocates nothing once its containers have grown to the load.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

/// Facts and limits of the node, fixed at start.
struct SchedulerSettings {
  /// CPU slots: the CPUs that the process may use.
  std::int32_t slots = 1;
  /// Inline work handed out by one crank: no connection of that thread waits longer behind it.
  Duration inline_turn_max = Duration::Microseconds(500);
  /// A model runs inline only while its estimated p99 is below this (hysteresis: leaves above,
  /// comes back below three quarters). Unknown means worker.
  Duration inline_run_max = Duration::Microseconds(250);
  /// Threads that may each carry one chain of inline runs although all slots are taken. Bounded so
  /// that tiny networks start beside saturated ones; the others are stretched by as much.
  std::int32_t inline_beyond_slots_max = 2;
  /// Requests waiting over all queues. Over it: kQueueFull.
  std::uint32_t waiting_max = 100'000;
  /// Loads that run at the same time.
  std::int32_t loads_max = 1;
  /// What models and their runs may take together. Zero: no limit, and nothing is ever evicted.
  Bytes memory;
  /// Kept free for each slot's run while no greater peak is known. Raise it where first runs fail
  /// for want of memory.
  Bytes run_peak_floor = Bytes::MiB(4);
  NodeSettings node;
};

/// Totals since start, by kind of end; `accepted` counts arrivals.
struct EndCounts {
  std::uint64_t accepted = 0;
  std::uint64_t replied = 0;
  std::uint64_t rejected = 0;
  std::uint64_t expired = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t failed = 0;
};

/// The account of memory. Zero while it has no limit.
struct MemoryFacts {
  Bytes limit;
  Bytes left;     ///< Of the limit, what other programs leave; `free` counts from here.
  Bytes models;   ///< In memory, on their way in, or not yet out.
  Bytes reserve;  ///< For the runs of the models in memory: the greatest peaks, one for each slot.
  Bytes free;     ///< The rest; negative when models took more than was expected of them.
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerSettings settings);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Takes the events in order, then decides; `actions` is cleared first and holds the answer (a
  /// buffer of the caller's, so that nothing is allocated). `now` never goes back, and no event's
  /// `at` is later.
  void Crank(Instant now, std::span<const Event> events, ActionList& actions);

  /// As they are now, changes included.
  const SchedulerSettings& Settings() const;
  /// Null when no model with this number is there. Valid until the next crank.
  const ModelSettings* SettingsOf(ModelId model) const;
  EndCounts Ends() const;
  /// What is known of the model's requests while memory is limited; null: nothing. Until the next
  /// crank.
  const ArrivalHistory* HistoryOf(ModelId model) const;
  /// Requests that wait for a run of this model (for the metrics).
  std::uint32_t Waiting(ModelId model) const;
  /// Runs that have begun and not ended.
  std::uint32_t Running() const;
  /// For the metrics.
  MemoryFacts Memory() const;

  /// Appends the complete state as bytes. Between cranks only.
  void Save(std::string& bytes) const;
  /// A scheduler that decides from now on as the saved one would have; InvalidArgument, naming the
  /// offset where it can, for bytes that no `Save` wrote.
  static Result<std::unique_ptr<Scheduler>> Restore(std::string_view bytes);
  /// Could a driver that keeps the contract of events.h tell these events now? For events that come
  /// from a file: a crank takes them on trust.
  Status CheckEvents(Instant now, std::span<const Event> events) const;

 private:
  friend class Snapshot;
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
