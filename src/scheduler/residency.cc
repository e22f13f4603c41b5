/// Which models are in memory, while that is limited.
///
/// A request of a model that is out waits in its queue, which is not ready until the model is back.
/// The model whose earliest request is due first is loaded first, and nothing is loaded before it:
/// small loads would else take the room that a large one waits for. Room is made by the residency
/// policy's plan; what it may not take now (`Holds`) is waited for. Nothing is looked at anew until
/// something has changed that could change the answer (`Stir`).

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/greedy_dual_credit.h"
#include "scheduler/body.h"
#include "scheduler/residency_times.h"

namespace cotenant {

void Scheduler::Body::On(const Evicted& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kEvicting) return;
  model->state = ModelRecord::State::kOut;
  model->memory.held = Bytes();
  Reckon();
  Stir();
  if (HasVariants(*model)) MoveWaiting(event.model);
  if (model->waiting > 0) loads_waiting_.push_back(event.model);
  UnloadIfDone(event.model);
}

void Scheduler::Body::Credit(const ModelRecord& model) {
  const ModelMemory& memory = model.memory;
  const ResidentVariantView variant{memory.size, 0, std::min(memory.load_takes, kCreditedLoadMost)};
  FirstOf(model).memory.credit = credit_floor_ + GreedyDualWorth(variant, kColdPenalty);
}

void Scheduler::Body::NoteUse(ModelRecord& model, Instant at) {
  ModelMemory& memory = model.memory;
  // Events of different threads may be out of order.
  memory.last_used = std::max(at, memory.history.last);
  const bool foreseen = memory.expected < Instant::Max() &&
                        memory.last_used + kForecastWindow >= memory.expected &&
                        memory.last_used <= memory.expected + kForecastWindow;
  memory.history.Record(memory.last_used, foreseen);
  const ModelId there = InMemory(model) ? kNoModelId : InPlaceOf(model);
  Credit(there == kNoModelId ? model : models_[ToIndex(there)]);
  if (!residency_->proactive()) return;
  score_.Arrived(memory.tested, memory.last_used);
  const RequestForecast forecast =
      prediction_->Forecast(memory.history, memory.last_used, kForecastHorizon);
  memory.expected = forecast.next;
  score_.Test(memory.tested, memory.history, forecast, memory.last_used, kForecastHorizon);
}

void Scheduler::Body::On(const HistoryKnown& event) {
  ModelRecord* const model = FindModel(event.model);
  if (model == nullptr || !Limited() || model->memory.history.requests > 0) return;
  model->memory.history = *event.history;
  model->memory.last_used = event.history->last;
  if (!residency_->proactive()) return;
  model->memory.expected =
      prediction_->Forecast(model->memory.history, now_, kForecastHorizon).next;
  Stir();
}

Instant Scheduler::Body::DueOf(Instant deadline, Instant arrived) {
  return std::min(deadline, arrived + kLoadPatience);
}

void Scheduler::Body::Await(const Request& request, ModelRecord& model) {
  model.memory.due = std::min(model.memory.due, DueOf(request.deadline, request.at));
  if (model.state == ModelRecord::State::kOut && model.waiting == 1) {
    loads_waiting_.push_back(request.model);
  }
  Stir();
}

void Scheduler::Body::NoLongerAwaited(ModelId id, ModelRecord& model) {
  if (!InMemory(model)) model.memory.due = Instant::Max();
  if (model.state == ModelRecord::State::kOut) std::erase(loads_waiting_, id);
  if (!InMemory(model) || MemoryIsWanted()) Stir();
}

std::optional<Reject> Scheduler::Body::NotLoadable(const Request& request,
                                                   const ModelRecord& model) {
  if (!Possible(model)) {
    return Reject{
        request.id, End::kRejected, Code::kResourceExhausted, RejectReason::kNeverFits, {}, {}, {}};
  }
  if (TooLargeFor(request.tenant, model) && model.waiting == 0 && !HasVariants(model)) {
    return Reject{
        request.id, End::kRejected, Code::kResourceExhausted, RejectReason::kTenantMemory, {}, {},
        {}};
  }
  if (model.memory.retry_at <= now_) return std::nullopt;
  return Reject{request.id,
                End::kRejected,
                Code::kUnavailable,
                RejectReason::kLoadFailed,
                {},
                model.memory.retry_at - now_,
                {}};
}

/// Until the model is in memory, were its load wanted by `due`: its own load, and those before it.
Duration Scheduler::Body::LoadWait(const ModelRecord& asked, Instant due) const {
  const auto left = [this](const ModelRecord& model) {
    return std::max(model.memory.load_began + model.memory.load_takes - now_, Duration());
  };
  if (asked.state == ModelRecord::State::kLoading) return left(asked);
  Duration before;
  for (const ModelRecord& model : models_) {
    if (model.state == ModelRecord::State::kLoading) before += left(model);
  }
  for (const ModelId id : loads_waiting_) {
    const ModelRecord& model = models_[ToIndex(id)];
    if (&model != &asked && model.memory.due < due) before += model.memory.load_takes;
  }
  return before / std::max(settings_.loads_max, 1) + asked.memory.load_takes;
}

void Scheduler::Body::TendMemory() {
  if (tend_at_ <= now_) Stir();
  if (!stirred_) return;
  stirred_ = false;
  tend_at_ = Instant::Max();
  GiveUpLoads();
  UnloadIdle();
  if (tenants_capped_) KeepTenantsWithin();
  if (Free() < Bytes()) GiveBack(Bytes() - Free());
  while (loading_ < settings_.loads_max) {
    const std::optional<ModelId> next = NextLoad();
    if (!next) return Foresee();
    ModelId id = *next;
    const ModelRecord& model = models_[ToIndex(id)];
    const bool among = model.state == ModelRecord::State::kOut && HasVariants(model);
    const Room room = among ? MakeRoomAmong(id) : MakeRoom(id);
    if (room == Room::kLater) return;
    if (room == Room::kNow) BeginLoad(id);
  }
  // Those for whom room was to be made have gone, while another load is under way.
  if (loads_waiting_.empty() && Free() >= Bytes()) KeepLeaving();
}

/// Nobody waits for these any more, and others wait for their turn or their room. Each model's next
/// load is carried through then, or bounds shorter than loads would keep all of them out for ever.
void Scheduler::Body::GiveUpLoads() {
  if (loading_ == 0 || (loads_waiting_.empty() && Free() >= Bytes())) return;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    ModelRecord& model = models_[i];
    ModelMemory& memory = model.memory;
    const bool may = model.state == ModelRecord::State::kLoading && model.served &&
                     model.waiting == 0 && memory.for_requests && !memory.load_given_up;
    if (!may || std::exchange(memory.load_stopped, true)) continue;
    out_->actions.push_back(StopLoad{ModelId{static_cast<std::uint32_t>(i)}});
  }
}

void Scheduler::Body::LoadGivenUp(ModelId id, ModelRecord& model) {
  model.state = ModelRecord::State::kOut;
  model.memory.held = Bytes();
  model.memory.load_stopped = false;
  model.memory.load_given_up = true;
  if (room_for_ == id) room_for_ = kNoModelId;
  Reckon();
  Stir();
  if (HasVariants(model)) MoveWaiting(id);
  if (model.waiting > 0) loads_waiting_.push_back(id);
  UnloadIfDone(id);
}

/// Has nobody asked for the model for as long as it may stay so?
bool Scheduler::Body::LongIdle(const ModelRecord& model) const {
  const Duration idle = model.settings.idle_unload;
  return idle > Duration() && now_ - FirstOf(model).memory.last_used >= idle;
}

void Scheduler::Body::UnloadIdle() {
  for (std::size_t i = 0; i < models_.size(); ++i) {
    const ModelRecord& model = models_[i];
    const ModelSettings& settings = model.settings;
    if (!InMemory(model) || settings.idle_unload == Duration() || settings.pinned) continue;
    if (model.unload_wanted) continue;
    const bool used = model.waiting > 0 || model.running > 0;
    const Instant since = std::max(FirstOf(model).memory.last_used, model.memory.since);
    const Instant due = (used ? now_ : since) + settings.idle_unload;
    if (due > now_) {
      tend_at_ = std::min(tend_at_, due);
      continue;
    }
    const ModelId id{static_cast<std::uint32_t>(i)};
    if (out_->with_reasons) NoteEvict(id, std::nullopt, Bytes(), EvictReason::kIdle);
    Leave(id);
  }
}

std::optional<ModelId> Scheduler::Body::NextLoad() {
  if (std::ranges::find(loads_waiting_, room_for_) != loads_waiting_.end()) return room_for_;
  room_for_ = kNoModelId;
  if (loads_waiting_.empty()) return std::nullopt;
  return *std::ranges::min_element(loads_waiting_, {},
                                   [this](ModelId id) { return models_[ToIndex(id)].memory.due; });
}

Scheduler::Body::Room Scheduler::Body::MakeRoom(ModelId id) {
  const ModelRecord& model = models_[ToIndex(id)];
  if (!PossibleNow(model)) {
    RefuseLoad(id, Possible(model) ? RejectReason::kNoRoom : RejectReason::kNeverFits);
    return Room::kNever;
  }
  if (const Room room = RoomOfTenant(id); room != Room::kNow) return room;
  if (NeedOf(model) <= Free()) return Room::kNow;
  if (OnlyPinnedAndShort()) {
    RefuseLoad(id, RejectReason::kNoRoom);
    return Room::kNever;
  }
  // What is lacking already is given back first.
  if (OnTheirWayOut() > Bytes() || Free() < Bytes()) return Room::kLater;
  const std::size_t place = FillView(&model, true);
  aim_ = id;
  const Bytes lacking = Lacking(place);
  residency_->Procure(view_, place, plan_);
  if (TakeAway(place, lacking, EvictReason::kForModel)) {
    // Not for whom that pushes out, however soon its requests are due.
    room_for_ = id;
    return Room::kLater;
  }
  if (SomebodyHolds(place)) {
    LookAgain(place);
    return Room::kLater;
  }
  // Nothing is held, and the policy takes nothing. What control asks for is done nevertheless.
  if (model.state == ModelRecord::State::kQueued) {
    PlanLeastRecentlyUsed(lacking);
    if (TakeAway(place, Bytes(), EvictReason::kForced)) {
      room_for_ = id;
      return Room::kLater;
    }
  }
  RefuseLoad(id, RejectReason::kNoRoom);
  return Room::kNever;
}

/// Models or their runs took more than was expected.
void Scheduler::Body::GiveBack(Bytes bytes) {
  bytes -= OnTheirWayOut();
  if (bytes <= Bytes()) return;
  FillView(nullptr, true);
  aim_ = kNoModelId;
  residency_->Release(view_, bytes, plan_);
  if (TakeAway(kNotInView, bytes, EvictReason::kShortage)) return;
  if (SomebodyHolds(kNotInView)) return LookAgain(kNotInView);
  PlanLeastRecentlyUsed(bytes);
  TakeAway(kNotInView, bytes, EvictReason::kShortage);
}

/// Nobody waits for a load: what was to leave stays, and what is expected may come.
void Scheduler::Body::Foresee() {
  if (Free() >= Bytes()) KeepLeaving();
  if (OnTheirWayOut() > Bytes()) return;
  if (const ModelId grown = std::exchange(grow_to_, kNoModelId); grown != kNoModelId) {
    const ModelRecord& model = models_[ToIndex(grown)];
    if (model.state == ModelRecord::State::kOut && NeedOf(model) <= Free()) return BeginLoad(grown);
  }
  // Nor is anything loaded for forecasts that were worse than none lately.
  if (!residency_->proactive() || score_.poor()) {
    const ModelId better = BetterThatFits();
    if (better != kNoModelId) Grow({}, better);
    return;
  }
  const ModelRecord* expected = nullptr;
  for (const ModelRecord& model : models_) {
    if (!MayBeExpected(model)) continue;
    if (ExpectedNow(model)) {
      if (expected == nullptr || model.memory.expected < expected->memory.expected) {
        expected = &model;
      }
    } else if (model.memory.expected > now_) {
      tend_at_ = std::min(tend_at_, model.memory.expected - kForecastWindow);
    }
  }
  const std::int32_t loading = loading_;
  if (expected != nullptr) LoadExpected(*expected);
  if (loading_ == loading && OnTheirWayOut() == Bytes()) Improve();
}

/// Is all of it out, and may it be loaded when its next request is expected?
bool Scheduler::Body::MayBeExpected(const ModelRecord& first) const {
  if (first.state == ModelRecord::State::kAbsent || first.unload_wanted ||
      first.memory.expected == Instant::Max()) {
    return false;
  }
  if (first.family != ModelId{static_cast<std::uint32_t>(&first - models_.data())}) return false;
  bool possible = false;
  for (const ModelId id : first.variants) {
    const ModelRecord& model = models_[ToIndex(id)];
    if (!model.served) continue;
    if (model.state != ModelRecord::State::kOut) return false;
    possible = possible || (PossibleNow(model) && model.memory.retry_at <= now_);
  }
  return possible;
}

void Scheduler::Body::LoadExpected(const ModelRecord& expected) {
  const std::size_t place = FillView(&expected, false);
  residency_->Procure(view_, place, plan_);
  const auto chosen = std::ranges::find(plan_.changes, place, &ResidencyChange::model);
  if (chosen == plan_.changes.end()) return;
  const ModelId id = VariantAt(*chosen);
  if (id == kNoModelId) return;
  aim_ = id;
  const Bytes need = NeedOf(models_[ToIndex(id)]);
  if (need <= Free()) return BeginLoad(id);
  TakeAway(place, need - Free(), EvictReason::kForModel);
}

void Scheduler::Body::Improve() {
  FillView(nullptr, false);
  residency_->Improve(view_, plan_);
  for (const ResidencyChange& change : plan_.changes) {
    const ModelId id = VariantAt(change);
    if (id == kNoModelId || view_models_[change.model].held) continue;
    const ModelRecord& model = models_[ToIndex(id)];
    if (model.state != ModelRecord::State::kOut || model.unload_wanted || !PossibleNow(model) ||
        model.memory.retry_at > now_ || LongIdle(model)) {
      continue;
    }
    const ModelId there = InPlaceOf(model);
    // What only makes room for another change comes with that one.
    const bool smaller =
        there != kNoModelId && models_[ToIndex(there)].memory.held >= model.memory.size;
    if (smaller) continue;
    return Grow(change, id);
  }
}

void Scheduler::Body::KeepLeaving() {
  for (ModelRecord& model : models_) {
    if (model.state != ModelRecord::State::kLeaving) continue;
    // Another variant has taken its place, or is about to.
    if (InPlaceOf(model) != kNoModelId) continue;
    model.state = ModelRecord::State::kReady;
    model.memory.due = Instant::Max();
    if (const Duration idle = model.settings.idle_unload; idle > Duration()) {
      tend_at_ = std::min(tend_at_, now_ + idle);
    }
    TouchAll(model);
  }
}

void Scheduler::Body::EndLoading(ModelRecord& model, const LoadFinished& event, bool first_load) {
  ModelMemory& memory = model.memory;
  memory.size = memory.held = event.anonymous + event.mapped;
  memory.peak = std::max(memory.peak, event.run_peak);
  memory.load_takes = event.ran_for;
  memory.since = now_;
  memory.ran = false;
  memory.due = Instant::Max();
  memory.retry_at = Instant();
  memory.backoff = Duration();
  memory.load_stopped = memory.load_given_up = false;
  Credit(model);
  Reckon();
  Stir();
  TouchAll(model);
  if (HasVariants(model)) TakePlace(event.model, first_load);
}

void Scheduler::Body::KeepOut(ModelId id, ModelRecord& model, const LoadFailed& event) {
  ModelMemory& memory = model.memory;
  model.state = ModelRecord::State::kOut;
  memory.held = Bytes();
  memory.backoff = std::clamp(memory.backoff * 2, kRetryLeast, kRetryMost);
  memory.retry_at = now_ + memory.backoff;
  Reckon();
  Stir();
  if (HasVariants(model)) MoveWaiting(id);
  RefuseWaiting(model, event.code, RejectReason::kLoadFailed, memory.backoff);
  UnloadIfDone(id);
}

/// Its requests wait from now on; it goes with its last run.
void Scheduler::Body::Leave(ModelId id) {
  ModelRecord& model = models_[ToIndex(id)];
  COTENANT_CHECK(InMemory(model));
  credit_floor_ = GreedyDualFloor(credit_floor_, FirstOf(model).memory.credit);
  model.state = ModelRecord::State::kLeaving;
  if (HasVariants(model)) MoveWaiting(id);
  for (std::uint32_t i = model.first_queue; i != kNowhere; i = queues_.queue(i).next) {
    queues_.Summarise(i, kNowhere);
    const Queue& queue = queues_.queue(i);
    model.memory.due = std::min(model.memory.due, DueOf(queue.deadline, queue.oldest));
  }
  TouchAll(model);
  if (model.running == 0 && model.state == ModelRecord::State::kLeaving) Evict(id);
}

void Scheduler::Body::Evict(ModelId id) {
  ModelRecord& model = models_[ToIndex(id)];
  model.state = ModelRecord::State::kEvicting;
  // Members of a batch that failed, its last run, are to run again.
  if (model.waiting > 0 && HasVariants(model)) MoveWaiting(id);
  Reckon();
  out_->actions.push_back(StartEvict{id});
}

void Scheduler::Body::RefuseLoad(ModelId id, RejectReason reason) {
  ModelRecord& model = models_[ToIndex(id)];
  if (model.state == ModelRecord::State::kQueued) {
    std::erase(loads_waiting_, id);
    model.state = ModelRecord::State::kUnloading;
    out_->actions.push_back(StartUnload{id});
    return;
  }
  if (reason == RejectReason::kNeverFits || reason == RejectReason::kTenantMemory) {
    RefuseWaiting(model, Code::kResourceExhausted, reason, {});
  } else {
    RefuseWaiting(model, Code::kUnavailable, reason, kRetryLeast);
  }
}

void Scheduler::Body::RefuseWaiting(ModelRecord& model, Code code, RejectReason reason,
                                    Duration retry_after) {
  while (model.first_queue != kNowhere) {
    const std::uint32_t index = queues_.First(model.first_queue);
    const Request& request = requests_[index];
    accounts_.Charge(request.tenant, Duration() - request.cost);
    Dequeue(index);
    if (out_->with_reasons) NoteEnd(request, End::kRejected, reason);
    EndByReject(index, {request.id, End::kRejected, code, reason, {}, retry_after, {}});
    LeaveModel(request.model);
  }
}

void Scheduler::Body::TouchAll(const ModelRecord& model) {
  for (std::uint32_t i = model.first_queue; i != kNowhere; i = queues_.queue(i).next) Touch(i);
}

}  // namespace cotenant
