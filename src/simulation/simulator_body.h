#pragma once

/// The inside of the simulator. Private to simulation/: simulator.cc has the loop and what happens
/// to the node, simulator_actions.cc what the brain's actions bring about.

#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/slab.h"
#include "catalog/run_tally.h"
#include "simulation/arrivals.h"
#include "simulation/checker.h"
#include "simulation/simulated_cpu.h"
#include "simulation/simulator.h"

namespace cotenant {

class Simulator::Body {
 public:
  Body(const Scenario& scenario, SimulatorOptions options);

  void Observe(Observer observer) { observers_.push_back(std::move(observer)); }
  SimulationReport Run();
  const Scheduler& scheduler() const { return scheduler_; }
  std::size_t ScenarioModelOf(ModelId model) const {
    return models_[ToIndex(model)].scenario_model;
  }
  std::string NameOf(ModelId id) const {
    const std::size_t variant = models_[ToIndex(id)].variant;
    return variant == 0 ? ModelOf(id).name
                        : ModelOf(id).name + ":" + ModelOf(id).variants[variant - 1].name;
  }

 private:
  /// A request from its arrival until its reply is written.
  struct Request {
    std::uint32_t generation = 0;
    Arrival arrival;
    Instant at;
    Instant told_at;
    bool told = false;
    bool vanished = false;
    EndedRequest ended;
  };
  struct InlineRun {
    RunId run{};
    ModelId model{};
    std::int32_t rows = 1;
    Duration takes;  ///< Alone.
  };
  /// A worker's run, a chain of inline runs, or a load.
  struct Occupancy {
    std::uint64_t sequence = 0;
    std::uint32_t occupant = kNowhere;
    bool on_worker = false;
    std::vector<InlineRun> runs;
    std::optional<ModelId> load;
  };
  /// A model by its number.
  struct Model {
    std::size_t scenario_model = 0;
    bool load_fails = false;
    bool served = false;
    Instant load_began;
    std::size_t variant = 0;  ///< Its own network, then its others.
  };
  /// What happens at a time.
  struct Planned {
    enum class Kind : unsigned char {
      kTold,
      kOccupantEnds,
      kVanishes,
      kWritten,
      kWake,
      kFault,
      kFaultOver,
      kMemoryBack,
      kLoaded,
      kUnloaded,
      kEvicted
    };
    Instant at;
    std::uint64_t sequence = 0;
    std::uint64_t id = 0;
    Kind kind = Kind::kWake;

    bool operator<(const Planned& other) const {  // For a heap whose top is the earliest.
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };
  using Kind = Planned::Kind;

  void Plan(Instant at, Kind kind, std::uint64_t id = 0);
  void LoadAll();
  void Crank();
  void TakeArrival();
  void FetchArrival();
  void Tell(std::uint32_t request);
  void Happen(const Planned& planned);
  void EndOccupancy(std::uint32_t index, std::uint64_t sequence);
  void Vanish(RequestId id, Instant at);
  void BeginFault(const Fault& fault);
  /// One more number of the scenario's model, to be loaded.
  void AddModel(std::size_t scenario_model, bool fails);
  /// The other variants of a model that was just loaded.
  void AddVariants(ModelId first);
  void BeginLoad(ModelId model);
  void EndLoad(ModelId model);
  void StopTheLoad(ModelId model);
  bool Limited() const { return settings_.memory > Bytes(); }
  const ScenarioModel& ModelOf(ModelId id) const {
    return scenario_.models[models_[ToIndex(id)].scenario_model];
  }
  const ModelProfile& ProfileOf(ModelId id) const {
    const std::size_t variant = models_[ToIndex(id)].variant;
    return variant == 0 ? ModelOf(id).profile : ModelOf(id).variants[variant - 1].profile;
  }
  void CarryOut();
  void Start(const StartRun& run);
  void StartChain();
  void PlanEnd(std::uint32_t occupancy);
  void EndRequest(RequestId id, End end, RejectReason reason, bool cold);
  void Written(std::uint32_t request, Instant at);
  Duration Draw(const TimeDistribution& times);
  std::pair<Duration, Duration> DrawRun(ModelId model, std::int32_t rows, bool beside);
  RequestId IdOf(std::uint32_t index) const {
    return RequestId{(std::uint64_t{requests_[index].generation} << 32) | index};
  }
  /// Null when its reply is written.
  Request* Find(RequestId id);

  const Scenario& scenario_;
  SimulatorOptions options_;
  SchedulerSettings settings_;
  Scheduler scheduler_;
  Checker checker_;
  RunTally tally_;
  ArrivalStream arrivals_;
  SimulatedCpu cpu_;
  Random random_;
  std::vector<Observer> observers_;

  std::vector<Planned> planned_;  ///< A heap.
  std::uint64_t sequence_ = 0;
  std::vector<Event> events_;  ///< For the next crank.
  ActionList actions_;
  Instant now_;
  Instant start_;  ///< The scenario's clock is zero.
  Instant wake_ = Instant::Max();
  std::optional<Arrival> next_;
  std::uint64_t arrived_ = 0;
  std::uint64_t untold_ = 0;
  bool draining_ = false;
  bool drained_ = false;

  Slab<Request> requests_;
  Slab<Occupancy> occupancies_;
  std::vector<std::uint32_t> occupancy_of_;  ///< By occupant.
  std::vector<InlineRun> chain_;
  Duration replying_;              ///< The node's own work for the replies of this crank.
  std::int32_t free_workers_ = 0;  ///< Whose runs ended with this crank: they take the next ones.
  std::vector<Instant> reader_free_;  ///< Each I/O thread reads one request at a time.
  std::size_t reader_ = 0;
  std::vector<Model> models_;     ///< By ModelId.
  std::vector<ModelId> serving_;  ///< By the scenario's model.
  MemoryResult memory_;
};

}  // namespace cotenant
