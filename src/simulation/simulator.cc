#include "simulation/simulator.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "simulation/simulator_body.h"

namespace cotenant {
namespace {

/// Events of one instant that are told in one crank, as a live turn is bounded too.
constexpr std::size_t kCrankEventsMax = 64;

SchedulerSettings SettingsOf(const Scenario& scenario) {
  SchedulerSettings settings;
  settings.slots = scenario.device.slots;
  settings.inline_beyond_slots_max = scenario.device.slots;
  settings.memory = scenario.device.memory;
  settings.node = scenario.node;
  return settings;
}

}  // namespace

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
      events_.emplace_back(DrainWanted{now_});
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
  if (Limited()) {
    memory_.limit = settings_.memory;
    report.result.memory = memory_;
  }
  report.result.simulated = {checker_.digest(),  checker_.cranks(),        checker_.starts(),
                             checker_.batched(), checker_.inline_starts(), now_ - start_};
  return report;
}

void Simulator::Body::Crank() {
  scheduler_.Crank(now_, events_, actions_);
  if (options_.checked) {
    checker_.Crank(now_, events_, actions_);
    checker_.Ledger(scheduler_.Memory());
  }
  for (const Observer& observer : observers_) observer(now_, events_, actions_);
  events_.clear();
  CarryOut();
}

/// Before the scenario's clock starts: everything is loaded, and estimated from its profile.
void Simulator::Body::LoadAll() {
  for (std::size_t i = 0; i < scenario_.models.size(); ++i) {
    const auto id = static_cast<ModelId>(i);
    AddModel(i, false);
    serving_.push_back(id);
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
  events_.emplace_back(event);
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
      events_.emplace_back(Woken{planned.at});
      break;
    case Kind::kFault: BeginFault(scenario_.faults[index]); break;
    case Kind::kFaultOver: cpu_.Slow(100, planned.at); break;
    case Kind::kMemoryBack:
      events_.emplace_back(MemoryChanged{planned.at, settings_.memory});
      break;
    case Kind::kLoaded: EndLoad(ModelId{index}); break;
    case Kind::kUnloaded: events_.emplace_back(Unloaded{planned.at, ModelId{index}, {}}); break;
    case Kind::kEvicted: events_.emplace_back(Evicted{planned.at, ModelId{index}, {}}); break;
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
  if (occupancy.load) {
    EndLoad(*occupancy.load);
    return occupancies_.Give(index);
  }
  if (occupancy.on_worker) ++free_workers_;
  Duration total;
  for (const InlineRun& run : occupancy.runs) total += run.takes;
  __extension__ using Wide = __int128;
  Duration before;
  Instant began = start;
  for (const InlineRun& run : occupancy.runs) {
    before += run.takes;
    Instant done = end;
    if (before != total) {
      const auto share = static_cast<Wide>((end - start).nanoseconds()) * before.nanoseconds();
      done = start + Duration::Nanoseconds(static_cast<std::int64_t>(share / total.nanoseconds()));
    }
    const ScenarioModel& model = ModelOf(run.model);
    const bool fails =
        model.run_failures_per_mille > 0 && random_.Below(1'000) < model.run_failures_per_mille;
    if (fails) {
      events_.emplace_back(RunFailed{done, run.run, done - began, Code::kInternal, false});
    } else {
      const Bytes peak = Limited() ? ProfileOf(run.model).ForRows(run.rows).peak : Bytes();
      events_.emplace_back(RunFinished{done, run.run, done - began, peak});
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
  events_.emplace_back(Gone{at, id});
}

Simulator::Simulator(const Scenario& scenario, SimulatorOptions options)
    : body_(std::make_unique<Body>(scenario, options)) {}
Simulator::~Simulator() = default;
void Simulator::Observe(Observer observer) { body_->Observe(std::move(observer)); }
SimulationReport Simulator::Run() { return body_->Run(); }
const Scheduler& Simulator::scheduler() const { return body_->scheduler(); }
std::string Simulator::NameOf(ModelId model) const { return body_->NameOf(model); }
std::size_t Simulator::ScenarioModelOf(ModelId model) const {
  return body_->ScenarioModelOf(model);
}

}  // namespace cotenant
