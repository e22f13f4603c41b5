#pragma once

/// The simulated driver: the brain of the live server in virtual time.
///
/// Events from outside are planned before or during the run; the node carries the brain's actions
/// out as the live driver does, with times from the device model: workers run beside each other, a
/// chain of inline runs one after another with its ends reported together in one later crank.
/// Single-threaded and exactly repeatable.

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "scheduler/scheduler.h"
#include "simulation/device_model.h"
#include "simulation/virtual_queue.h"

namespace cotenant {

struct SimulationSettings {
  SchedulerSettings scheduler;
  /// By `ModelId`. A load of a number takes the profile at that place.
  std::vector<SimulatedModel> models;
  /// What the brain is told of each model when its load is done.
  std::vector<ModelSettings> model_settings;
  /// From the end of a run to its replies written.
  Duration reply_takes = Duration::Microseconds(20);
  /// Of 1,000 chains, this many report their ends in several cranks, as a driver may under load.
  std::uint32_t split_chains = 0;
  std::uint64_t seed = 1;
  bool with_reasons = false;  ///< Observers see why.
  /// Random scripts: other programs take memory, and give it back.
  bool pressed = false;
};

class SimulatedNode {
 public:
  /// Sees every crank, after it.
  using Observer =
      std::function<void(Instant now, std::span<const Event> events, const ActionList& actions)>;

  explicit SimulatedNode(SimulationSettings settings);

  /// `event` will be told to the brain at `at`; its own `at` must not be later.
  void Plan(Instant at, Event event) { queue_.Plan(at, std::move(event)); }
  void Observe(Observer observer) { observers_.push_back(std::move(observer)); }
  /// Cranks until nothing is planned any more.
  void Run();

  const Scheduler& scheduler() const { return scheduler_; }
  Instant now() const { return now_; }

 private:
  void CarryOut(const ActionList& actions);
  void StartInline(std::span<const StartRun> chain);
  Event EndOf(const StartRun& run, Instant ends, Duration takes);
  void WriteReply(RequestId request);
  void Load(ModelId model);
  void StopTheLoad(ModelId model);
  bool WasStopped(const Event& event);

  SimulationSettings settings_;
  Scheduler scheduler_;
  DeviceModel device_;
  Random random_;
  VirtualQueue<Event> queue_;
  std::vector<Observer> observers_;
  std::vector<Event> events_;
  std::vector<StartRun> chain_;
  std::vector<Instant> load_ends_;  ///< By model, of the last load that began.
  /// Ends of loads that were stopped before.
  std::vector<std::pair<ModelId, Instant>> stopped_loads_;
  ActionList actions_;
  Instant now_;
};

}  // namespace cotenant
