#include "simulation/simulator.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/random.h"
#include "catalog/run_tally.h"
#include "scheduler/profile_events.h"
#include "simulation/arrivals.h"
#include "simulation/checker.h"
#include "simulation/simulated_cpu.h"

namespace cotenant {
namespace {

/// Events of one instant that are told in one crank, as a live turn is bounded too.
constexpr std::size_t kCrankEventsMax = 64;
constexpr Duration kUnloadTakes = Duration::Milliseconds(1);

SchedulerSettings SettingsOf(const Scenario& scenario) {
  SchedulerSettings settings;
  settings.slots = scenario.device.slots;
  settings.inline_beyond_slots_max = scenario.device.slots;
  settings.node = scenario.node;
  return settings;
}

ModelSettings SettingsOf(const ScenarioModel& model) {
  ModelSettings settings;
  settings.rows_max = model.rows_max;
  settings.cores = model.cores;
  settings.batching = model.batching.has_value();
  if (model.batching) settings.window = *model.batching;
  return settings;
}

}  // namespace

class Simulator::Body {
 public:
  Body(const Scenario& scenario, SimulatorOptions options);

  void Observe(Observer observer) { observers_.push_back(std::move(observer)); }
  SimulationReport Run();
  const SchedulerSettings& settings() const { return settings_; }

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
    std::size_t model = 0;
    Duration takes;  ///< Alone.
  };
  /// A worker's run, or a chain of inline runs.
  struct Occupancy {
    std::uint64_t sequence = 0;
    std::uint32_t occupant = kNowhere;
    std::vector<InlineRun> runs;
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
      kLoaded,
      kUnloaded
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
  void EndLoad(ModelId model);
  void CarryOut();
  void Start(const StartRun& run);
  void StartChain();
  void PlanEnd(std::uint32_t occupancy);
  void EndRequest(RequestId id, End end, RejectReason reason);
  void Written(std::uint32_t request, Instant at);
  Duration Draw(const TimeDistribution& times);
  std::pair<Duration, Duration> DrawRun(std::size_t model, std::int32_t rows, bool beside);
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
  std::vector<Instant> reader_free_;  ///< Each I/O thread reads one request at a time.
  std::size_t reader_ = 0;
  std::vector<std::size_t> scenario_model_;  ///< By ModelId.
  std::vector<bool> load_fails_;             ///< By ModelId.
  std::vector<ModelId> serving_;             ///< By the scenario's model.
};

Simulator::Body::Body(const Scenario& scenario, SimulatorOptions options)
    : scenario_(scenario),
      options_(options),
      settings_(SettingsOf(scenario)),
      scheduler_(settings_),
      checker_(settings_),
      tally_(scenario),
      arrivals_(scenario, options.seed),
      cpu_(settings_.slots),
      random_(~options.seed),
      reader_free_(static_cast<std::size_t>(settings_.slots)) {}

void Simulator::Body::Plan(Instant at, Kind kind, std::uint64_t id) {
  planned_.push_back({at, sequence_++, id, kind});
  std::push_heap(planned_.begin(), planned_.end());
}

SimulationReport Simulator::Body::Run() {
  LoadAll();
  FetchArrival();
  for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
    std::visit([&](const auto& fault) { Plan(start_ + fault.at, Kind::kFault, i); },
               scenario_.faults[i]);
  }
  while (!drained_) {
    const Instant due = planned_.empty() ? Instant::Max() : planned_.front().at;
    const Instant arrives = next_ ? start_ + next_->at : Instant::Max();
    const Instant earliest = std::min(due, arrives);
    if (!next_ && untold_ == 0 && !draining_) {
      draining_ = true;
      events_.push_back(DrainWanted{now_});
      Crank();
      continue;
    }
    // Written replies alone need no crank, but the last of them end the drain.
    const bool over = earliest == Instant::Max();
    if (!events_.empty() && (over || earliest > now_ || events_.size() >= kCrankEventsMax)) {
      const bool only_written = std::ranges::all_of(
          events_, [](const Event& e) { return std::holds_alternative<ReplyWritten>(e); });
      if (over || draining_ || !only_written || events_.size() >= kCrankEventsMax) {
        Crank();
        continue;
      }
    }
    if (over) break;  // The brain waits for nothing: the checker says for what requests.
    now_ = std::max(now_, earliest);
    if (arrives <= due) {
      TakeArrival();
      continue;
    }
    std::pop_heap(planned_.begin(), planned_.end());
    const Planned planned = planned_.back();
    planned_.pop_back();
    Happen(planned);
  }
  SimulationReport report;
  if (options_.checked) checker_.Finish(scheduler_.Ends());
  report.violations = checker_.violations();
  report.result = tally_.Result();
  report.result.command = "simulate";
  report.result.seed = options_.seed;
  report.result.simulated = {checker_.digest(),  checker_.cranks(),        checker_.starts(),
                             checker_.batched(), checker_.inline_starts(), now_ - start_};
  return report;
}

void Simulator::Body::Crank() {
  scheduler_.Crank(now_, events_, actions_);
  if (options_.checked) checker_.Crank(now_, events_, actions_);
  for (const Observer& observer : observers_) observer(now_, events_, actions_);
  events_.clear();
  CarryOut();
}

/// Before the scenario's clock starts: everything is loaded, and estimated from its profile.
void Simulator::Body::LoadAll() {
  for (std::size_t i = 0; i < scenario_.models.size(); ++i) {
    const auto id = static_cast<ModelId>(i);
    scenario_model_.push_back(i);
    serving_.push_back(id);
    load_fails_.push_back(false);
    events_.push_back(LoadWanted{now_, id});
  }
  Crank();
  while (!planned_.empty()) {
    std::pop_heap(planned_.begin(), planned_.end());
    const Planned planned = planned_.back();
    planned_.pop_back();
    now_ = planned.at;
    Happen(planned);
    Crank();
  }
  start_ = now_;
}

void Simulator::Body::FetchArrival() {
  next_ = arrivals_.Next();
  const bool enough = options_.requests_max > 0 && arrived_ >= options_.requests_max;
  if (enough) next_.reset();
  if (next_) ++arrived_;
}

void Simulator::Body::TakeArrival() {
  const std::uint32_t index = requests_.Take();
  Request& request = requests_[index];
  ++request.generation;
  request.arrival = *next_;
  request.at = start_ + next_->at;
  request.told = request.vanished = false;
  request.ended = {};
  ++untold_;
  if (next_->gone_after) {
    Plan(request.at + *next_->gone_after, Kind::kVanishes, ToIndex(IdOf(index)));
  }
  FetchArrival();
  const Duration read = Draw(scenario_.device.costs.read);
  if (read == Duration()) {
    request.told_at = request.at;
    return Tell(index);
  }
  Instant& free = reader_free_[++reader_ % reader_free_.size()];
  free = std::max(free, request.at) + read;
  request.told_at = free;
  cpu_.Interrupt(read);
  Plan(free, Kind::kTold, index);
}

void Simulator::Body::Tell(std::uint32_t index) {
  Request& request = requests_[index];
  request.told = true;
  --untold_;
  Arrived event;
  event.at = request.at;
  event.request = IdOf(index);
  event.tenant = static_cast<TenantId>(request.arrival.tenant);
  event.model = serving_[request.arrival.model];
  event.rows = request.arrival.rows;
  event.batch_key = request.arrival.model + 1;
  event.bounds.latency = request.arrival.latency_bound;
  events_.push_back(event);
}

Simulator::Body::Request* Simulator::Body::Find(RequestId id) {
  const auto index = static_cast<std::uint32_t>(ToIndex(id));
  Request& request = requests_[index];
  return request.generation == ToIndex(id) >> 32 ? &request : nullptr;
}

void Simulator::Body::Happen(const Planned& planned) {
  const auto index = static_cast<std::uint32_t>(planned.id);
  switch (planned.kind) {
    case Kind::kTold: Tell(index); break;
    case Kind::kOccupantEnds: EndOccupancy(index, planned.id >> 32); break;
    case Kind::kVanishes: Vanish(RequestId{planned.id}, planned.at); break;
    case Kind::kWritten: Written(index, planned.at); break;
    case Kind::kWake:
      if (planned.at != wake_) break;
      wake_ = Instant::Max();
      events_.push_back(Woken{planned.at});
      break;
    case Kind::kFault: BeginFault(scenario_.faults[index]); break;
    case Kind::kFaultOver: cpu_.Slow(100, planned.at); break;
    case Kind::kLoaded: EndLoad(ModelId{index}); break;
    case Kind::kUnloaded: events_.push_back(Unloaded{planned.at, ModelId{index}, {}}); break;
  }
  for (const std::uint32_t occupant : cpu_.Hastened()) PlanEnd(occupancy_of_[occupant]);
  cpu_.ForgetHastened();
}

void Simulator::Body::EndOccupancy(std::uint32_t index, std::uint64_t sequence) {
  Occupancy& occupancy = occupancies_[index];
  if (occupancy.sequence != sequence || occupancy.occupant == kNowhere) return;
  const Instant end = cpu_.EndOf(occupancy.occupant);
  if (end > now_) return PlanEnd(index);
  const Instant start = cpu_.StartOf(occupancy.occupant);
  cpu_.End(occupancy.occupant, now_);
  occupancy.occupant = kNowhere;
  Duration total;
  for (const InlineRun& run : occupancy.runs) total += run.takes;
  __extension__ using Wide = __int128;
  Duration before;
  Instant began = start;
  for (const InlineRun& run : occupancy.runs) {
    before += run.takes;
    const auto share = static_cast<Wide>((end - start).nanoseconds()) * before.nanoseconds();
    const Instant done =
        start + Duration::Nanoseconds(static_cast<std::int64_t>(share / total.nanoseconds()));
    const ScenarioModel& model = scenario_.models[run.model];
    const bool fails =
        model.run_failures_per_mille > 0 && random_.Below(1'000) < model.run_failures_per_mille;
    if (fails) {
      events_.push_back(RunFailed{done, run.run, done - began, Code::kInternal, false});
    } else {
      events_.push_back(RunFinished{done, run.run, done - began, {}});
    }
    began = done;
  }
  occupancies_.Give(index);
}

void Simulator::Body::Vanish(RequestId id, Instant at) {
  Request* const request = Find(id);
  if (request == nullptr) return;
  if (!request->told) return Plan(request->told_at, Kind::kVanishes, ToIndex(id));
  request->vanished = true;
  events_.push_back(Gone{at, id});
}

void Simulator::Body::BeginFault(const Fault& fault) {
  if (const auto* slow = std::get_if<SlowDown>(&fault)) {
    cpu_.Slow(slow->percent, now_);
    Plan(now_ + slow->lasts, Kind::kFaultOver);
  } else if (const auto* stop = std::get_if<Stop>(&fault)) {
    cpu_.Freeze(now_, now_ + stop->lasts);
  } else if (const auto* reload = std::get_if<Reload>(&fault)) {
    const auto id = static_cast<ModelId>(scenario_model_.size());
    const ScenarioModel& model = scenario_.models[reload->model];
    scenario_model_.push_back(reload->model);
    load_fails_.push_back(reload->fails || random_.Below(1'000) < model.load_failures_per_mille);
    events_.push_back(LoadWanted{now_, id});
  }
}

void Simulator::Body::EndLoad(ModelId id) {
  if (load_fails_[ToIndex(id)]) {
    events_.push_back(LoadFailed{now_, id, Code::kInternal});
    return;
  }
  const ScenarioModel& model = scenario_.models[scenario_model_[ToIndex(id)]];
  AppendProfileEvents(model.profile, id, now_, events_);
  LoadFinished event;
  event.at = now_;
  event.model = id;
  event.settings = SettingsOf(model);
  event.ran_for = model.profile.load.empty() ? Duration() : model.profile.load.Median();
  event.anonymous = model.profile.anonymous;
  event.mapped = model.profile.mapped;
  events_.push_back(std::move(event));
  ModelId& serving = serving_[scenario_model_[ToIndex(id)]];
  if (serving == id) return;
  events_.push_back(UnloadWanted{now_, serving});
  serving = id;
}

void Simulator::Body::CarryOut() {
  for (const Action& action : actions_.actions) {
    if (const auto* run = std::get_if<StartRun>(&action)) {
      Start(*run);
    } else if (const auto* reply = std::get_if<Reply>(&action)) {
      EndRequest(reply->request, reply->end, {});
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      EndRequest(reject->request, reject->end, reject->reason);
    } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
      wake_ = wake->at;
      Plan(wake->at, Kind::kWake);
    } else if (const auto* load = std::get_if<StartLoad>(&action)) {
      const ModelProfile& profile = scenario_.models[scenario_model_[ToIndex(load->model)]].profile;
      Plan(now_ + Draw(profile.load), Kind::kLoaded, ToIndex(load->model));
    } else if (const auto* unload = std::get_if<StartUnload>(&action)) {
      Plan(now_ + kUnloadTakes, Kind::kUnloaded, ToIndex(unload->model));
    } else if (std::holds_alternative<Drained>(action)) {
      drained_ = true;
    }
    // A stopped run ends by itself here: stopping late is allowed.
  }
  if (!chain_.empty()) StartChain();
}

void Simulator::Body::Start(const StartRun& run) {
  const std::size_t model = scenario_model_[ToIndex(run.model)];
  const auto [alone, beside] = DrawRun(model, run.rows, run.where == Where::kWorker);
  if (run.where == Where::kInline) {
    chain_.push_back({run.run, model, alone});
    return;
  }
  const std::uint32_t index = occupancies_.Take();
  Occupancy& occupancy = occupancies_[index];
  occupancy.runs.assign(1, {run.run, model, alone});
  const Instant start = now_ + Draw(scenario_.device.costs.hand_over);
  occupancy.occupant = cpu_.Begin(now_, start, alone, beside, run.cores);
  PlanEnd(index);
}

void Simulator::Body::StartChain() {
  const std::uint32_t index = occupancies_.Take();
  Occupancy& occupancy = occupancies_[index];
  Duration total;
  for (const InlineRun& run : chain_) total += run.takes;
  occupancy.runs.swap(chain_);
  chain_.clear();
  occupancy.occupant = cpu_.Begin(now_, now_, total, total, 1);
  PlanEnd(index);
}

void Simulator::Body::PlanEnd(std::uint32_t index) {
  Occupancy& occupancy = occupancies_[index];
  if (occupancy.occupant >= occupancy_of_.size()) occupancy_of_.resize(occupancy.occupant + 1);
  occupancy_of_[occupancy.occupant] = index;
  // A newer plan makes the older one void.
  occupancy.sequence = ++sequence_ & 0xffffffffU;
  Plan(cpu_.EndOf(occupancy.occupant), Kind::kOccupantEnds, occupancy.sequence << 32 | index);
}

Duration Simulator::Body::Draw(const TimeDistribution& times) {
  if (times.empty()) return {};
  return times.At(static_cast<std::uint32_t>(random_.Next() >> 32));
}

std::pair<Duration, Duration> Simulator::Body::DrawRun(std::size_t model, std::int32_t rows,
                                                       bool with_beside) {
  const RunTimes& times = scenario_.models[model].profile.ForRows(rows);
  const auto fraction = static_cast<std::uint32_t>(random_.Next() >> 32);
  Duration alone = times.alone.At(fraction);
  Duration beside = with_beside && !times.beside.empty() ? times.beside.At(fraction) : alone;
  if (rows > times.rows) {
    alone = alone * rows / times.rows;
    beside = beside * rows / times.rows;
  }
  // Never nothing: what ends begins before.
  return {std::max(alone, Duration::Nanoseconds(1)), std::max(beside, Duration::Nanoseconds(1))};
}

void Simulator::Body::EndRequest(RequestId id, End end, RejectReason reason) {
  Request* const request = Find(id);
  COTENANT_CHECK(request != nullptr);
  EndedRequest& ended = request->ended;
  ended.tenant = request->arrival.tenant;
  ended.model = request->arrival.model;
  ended.rows = request->arrival.rows;
  ended.latency_bound = request->arrival.latency_bound;
  switch (end) {
    case End::kReplied: ended.end = RunEnd::kReplied; break;
    case End::kRejected: ended.end = RunEnd::kRejected; break;
    case End::kExpired: ended.end = RunEnd::kExpired; break;
    case End::kCancelled: ended.end = RunEnd::kGone; break;
    case End::kFailed: ended.end = RunEnd::kFailed; break;
  }
  ended.reason = static_cast<std::size_t>(reason);
  const auto index = static_cast<std::uint32_t>(ToIndex(id));
  const Duration takes = Draw(scenario_.device.costs.reply);
  if (takes == Duration()) return Written(index, now_);
  cpu_.Interrupt(takes);
  Plan(now_ + takes, Kind::kWritten, index);
}

void Simulator::Body::Written(std::uint32_t index, Instant at) {
  Request& request = requests_[index];
  events_.push_back(ReplyWritten{at, IdOf(index)});
  if (request.vanished) request.ended.end = RunEnd::kGone;
  request.ended.latency = at - request.at;
  if (request.ended.latency_bound == Duration()) {
    request.ended.latency_bound = scenario_.node.tenants[request.arrival.tenant].latency_bound;
  }
  tally_.Add(request.ended);
  ++request.generation;
  requests_.Give(index);
}

Simulator::Simulator(const Scenario& scenario, SimulatorOptions options)
    : body_(std::make_unique<Body>(scenario, options)) {}
Simulator::~Simulator() = default;
void Simulator::Observe(Observer observer) { body_->Observe(std::move(observer)); }
SimulationReport Simulator::Run() { return body_->Run(); }
const SchedulerSettings& Simulator::settings() const { return body_->settings(); }

}  // namespace cotenant
