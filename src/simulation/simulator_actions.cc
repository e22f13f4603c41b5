/// What the brain's actions and the scenario's faults bring about.

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "scheduler/profile_events.h"
#include "simulation/simulator_body.h"

namespace cotenant {
namespace {

constexpr Duration kUnloadTakes = Duration::Milliseconds(1);
constexpr Duration kEvictTakes = Duration::Milliseconds(1);

ModelSettings SettingsOf(const ScenarioModel& model) {
  ModelSettings settings;
  settings.rows_max = model.rows_max;
  settings.cores = model.cores;
  settings.pinned = model.pinned;
  settings.accuracy_min = model.accuracy_min;
  settings.idle_unload = model.idle_unload;
  settings.batching = model.batching.has_value();
  if (model.batching) settings.window = *model.batching;
  return settings;
}

}  // namespace

void Simulator::Body::BeginFault(const Fault& fault) {
  if (const auto* slow = std::get_if<SlowDown>(&fault)) {
    cpu_.Slow(slow->percent, now_);
    Plan(now_ + slow->lasts, Kind::kFaultOver);
  } else if (const auto* stop = std::get_if<Stop>(&fault)) {
    cpu_.Freeze(now_, now_ + stop->lasts);
  } else if (const auto* less = std::get_if<LessMemory>(&fault)) {
    events_.emplace_back(MemoryChanged{now_, less->left});
    Plan(now_ + less->lasts, Kind::kMemoryBack);
  } else if (const auto* reload = std::get_if<Reload>(&fault)) {
    const ScenarioModel& model = scenario_.models[reload->model];
    AddModel(reload->model, reload->fails || random_.Below(1'000) < model.load_failures_per_mille);
  }
}

void Simulator::Body::AddModel(std::size_t scenario_model, bool fails) {
  const ScenarioModel& model = scenario_.models[scenario_model];
  const ModelProfile& profile = model.profile;
  const auto id = static_cast<ModelId>(models_.size());
  models_.push_back({scenario_model, fails, false, {}, 0});
  LoadWanted wanted{now_, id, profile.mapped + profile.anonymous, profile.load_peak};
  wanted.accuracy = model.accuracy;
  events_.emplace_back(wanted);
}

void Simulator::Body::AddVariants(ModelId first) {
  const std::size_t scenario_model = models_[ToIndex(first)].scenario_model;
  const ScenarioModel& model = scenario_.models[scenario_model];
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    const ModelProfile& profile = model.variants[i].profile;
    const auto id = static_cast<ModelId>(models_.size());
    models_.push_back({scenario_model, false, false, {}, i + 1});
    LoadWanted wanted{now_, id, profile.mapped + profile.anonymous, profile.load_peak};
    wanted.variant_of = first;
    wanted.accuracy = model.variants[i].accuracy;
    events_.emplace_back(wanted);
  }
}

void Simulator::Body::BeginLoad(ModelId id) {
  Model& model = models_[ToIndex(id)];
  const ScenarioModel& of = ModelOf(id);
  model.load_began = now_;
  if (!Limited()) return Plan(now_ + Draw(ProfileOf(id).load), Kind::kLoaded, ToIndex(id));
  if (model.served) {
    model.load_fails =
        of.load_failures_per_mille > 0 && random_.Below(1'000) < of.load_failures_per_mille;
  }
  // The load thread computes beside the slots' runs.
  const Duration takes = Draw(ProfileOf(id).load);
  const std::uint32_t index = occupancies_.Take();
  Occupancy& occupancy = occupancies_[index];
  occupancy.runs.clear();
  occupancy.on_worker = false;
  occupancy.load = id;
  occupancy.occupant = cpu_.Begin(now_, now_, takes, takes, 1);
  PlanEnd(index);
}

/// A load of a model with others in memory computes, and can be given up at any time.
void Simulator::Body::StopTheLoad(ModelId id) {
  for (std::uint32_t index = 0; index < occupancies_.places(); ++index) {
    Occupancy& occupancy = occupancies_[index];
    if (occupancy.load != id || occupancy.occupant == kNowhere) continue;
    cpu_.End(occupancy.occupant, now_);
    occupancy.occupant = kNowhere;
    occupancy.load.reset();
    occupancies_.Give(index);
    events_.emplace_back(LoadFailed{now_, id, Code::kCancelled});
    return;
  }
}

void Simulator::Body::EndLoad(ModelId id) {
  Model& known = models_[ToIndex(id)];
  ++memory_.loads;
  memory_.load_time += now_ - known.load_began;
  if (known.load_fails) {
    ++memory_.loads_failed;
    events_.emplace_back(LoadFailed{now_, id, Code::kInternal});
    return;
  }
  const ScenarioModel& model = ModelOf(id);
  const ModelProfile& profile = ProfileOf(id);
  const bool first_load = !known.served;
  if (first_load) AppendProfileEvents(profile, id, now_, events_);
  known.served = true;
  LoadFinished event;
  event.at = now_;
  event.model = id;
  event.settings = SettingsOf(model);
  event.ran_for = profile.load.empty() ? Duration() : profile.load.Median();
  event.anonymous = profile.anonymous;
  event.mapped = profile.mapped;
  if (Limited()) {
    event.ran_for = now_ - known.load_began;
    for (const RunTimes& run : profile.runs) {
      event.run_peak = std::max(event.run_peak, run.peak);
    }
  }
  events_.emplace_back(std::move(event));
  if (known.variant > 0) return;
  ModelId& serving = serving_[known.scenario_model];
  if (serving != id) {
    events_.emplace_back(UnloadWanted{now_, serving});
    serving = id;
  }
  if (first_load) AddVariants(id);
}

void Simulator::Body::CarryOut() {
  for (const Action& action : actions_.actions) {
    if (const auto* run = std::get_if<StartRun>(&action)) {
      Start(*run);
    } else if (const auto* reply = std::get_if<Reply>(&action)) {
      EndRequest(reply->request, reply->end, {}, reply->cold);
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      EndRequest(reject->request, reject->end, reject->reason, false);
    } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
      wake_ = wake->at;
      Plan(wake->at, Kind::kWake);
    } else if (const auto* load = std::get_if<StartLoad>(&action)) {
      BeginLoad(load->model);
    } else if (const auto* unload = std::get_if<StartUnload>(&action)) {
      Plan(now_ + kUnloadTakes, Kind::kUnloaded, ToIndex(unload->model));
    } else if (const auto* evict = std::get_if<StartEvict>(&action)) {
      ++memory_.evictions;
      Plan(now_ + kEvictTakes, Kind::kEvicted, ToIndex(evict->model));
    } else if (const auto* stop_load = std::get_if<StopLoad>(&action)) {
      StopTheLoad(stop_load->model);
    } else if (std::holds_alternative<Drained>(action)) {
      drained_ = true;
    }
    // A stopped run ends by itself here: stopping late is allowed.
  }
  if (!chain_.empty()) StartChain();
  // The replies of this crank are written while the runs that it began compute.
  if (replying_ > Duration()) cpu_.Interrupt(std::exchange(replying_, Duration()));
  free_workers_ = 0;
}

void Simulator::Body::Start(const StartRun& run) {
  const ModelId model = run.model;
  const auto [alone, beside] = DrawRun(model, run.rows, run.where == Where::kWorker);
  if (!ModelOf(model).variants.empty()) {
    for (const RequestId member : actions_.MembersOf(run)) {
      if (Request* const request = Find(member)) {
        request->ended.variant = models_[ToIndex(model)].variant;
      }
    }
  }
  if (run.where == Where::kInline) {
    chain_.push_back({run.run, model, run.rows, alone});
    return;
  }
  const std::uint32_t index = occupancies_.Take();
  Occupancy& occupancy = occupancies_[index];
  occupancy.runs.assign(1, {run.run, model, run.rows, alone});
  occupancy.on_worker = true;
  occupancy.load.reset();
  const bool handed_over = --free_workers_ < 0;
  const Instant start = handed_over ? now_ + Draw(scenario_.device.costs.hand_over) : now_;
  occupancy.occupant = cpu_.Begin(now_, start, alone, beside, run.cores);
  PlanEnd(index);
}

void Simulator::Body::StartChain() {
  const std::uint32_t index = occupancies_.Take();
  Occupancy& occupancy = occupancies_[index];
  Duration total;
  for (const InlineRun& run : chain_) total += run.takes;
  occupancy.on_worker = false;
  occupancy.load.reset();
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

std::pair<Duration, Duration> Simulator::Body::DrawRun(ModelId model, std::int32_t rows,
                                                       bool with_beside) {
  const RunTimes& times = ProfileOf(model).ForRows(rows);
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

void Simulator::Body::EndRequest(RequestId id, End end, RejectReason reason, bool cold) {
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
  ended.cold = cold;
  const auto index = static_cast<std::uint32_t>(ToIndex(id));
  const Duration takes = Draw(scenario_.device.costs.reply);
  if (takes == Duration()) return Written(index, now_);
  replying_ += takes;
  Plan(now_ + takes, Kind::kWritten, index);
}

void Simulator::Body::Written(std::uint32_t index, Instant at) {
  Request& request = requests_[index];
  events_.emplace_back(ReplyWritten{at, IdOf(index)});
  if (request.vanished) request.ended.end = RunEnd::kGone;
  request.ended.latency = at - request.at;
  if (request.ended.latency_bound == Duration()) {
    request.ended.latency_bound = scenario_.node.tenants[request.arrival.tenant].latency_bound;
  }
  tally_.Add(request.ended);
  ++request.generation;
  requests_.Give(index);
}

}  // namespace cotenant
