#pragma once

/// Plays a scenario in virtual time: the brain of the live server, a simulated CPU that draws from
/// profiles, arrivals, faults, and the checker that runs along.
///
/// Scenario and seed decide everything, on every compiler; a million requests take about a second.
/// Memory is constant in the number of requests. Single-threaded. The scenario's clock starts when
/// all models are loaded and their estimates are learnt from the profiles, as a live node does that
/// has them.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "catalog/run_result.h"
#include "catalog/scenario.h"
#include "scheduler/scheduler.h"

namespace cotenant {

struct SimulatorOptions {
  std::uint64_t seed = 1;
  /// Arrivals end after so many; zero: with the scenario.
  std::uint64_t requests_max = 0;
  bool checked = true;
};

struct SimulationReport {
  RunResult result;  ///< With `simulated`, without expectations.
  /// What the checker found, with times and cranks; empty when all was well.
  std::vector<std::string> violations;
};

class Simulator {
 public:
  using Observer =
      std::function<void(Instant now, std::span<const Event> events, const ActionList& actions)>;

  /// `scenario` must outlive the simulator; its policies' names are known (`CheckPolicies`).
  Simulator(const Scenario& scenario, SimulatorOptions options);
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// Sees every crank, after it. Before `Run`.
  void Observe(Observer observer);
  /// Once.
  SimulationReport Run();

  const Scheduler& scheduler() const;
  /// The scenario's model that a number of the brain's stands for.
  std::size_t ScenarioModelOf(ModelId model) const;
  /// "detector", and "detector:int8" for a variant beside the model's own.
  std::string NameOf(ModelId model) const;

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
