/// Models come and go: loads in order of wish, a bounded number at a time; unloads when the last
/// request has ended.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "scheduler/body.h"

namespace cotenant {

void Scheduler::Body::On(const LoadWanted& event) {
  if (ToIndex(event.model) >= models_.size()) models_.resize(ToIndex(event.model) + 1);
  ModelRecord& model = models_[ToIndex(event.model)];
  COTENANT_CHECK(model.state == ModelRecord::State::kAbsent);
  model = ModelRecord{};
  model.state = ModelRecord::State::kQueued;
  model.memory.size = event.expected;
  model.memory.load_peak = event.load_peak;
  model.memory.load_peak_guessed = event.load_peak_guessed;
  model.memory.peak = event.run_peak;
  model.memory.due = event.at;
  JoinModel(event.model, event);
  loads_waiting_.push_back(event.model);
  Stir();
}

void Scheduler::Body::UseBatching(ModelRecord& model) {
  COTENANT_CHECK(model.first_queue == kNowhere);
  const bool can_join = model.settings.rows_max > 1;
  model.batching = can_join ? &BatchingOf(batching_, model.settings.batching) : &BatchingNone();
  // Where an order between shapes was asked for, one queue keeps it.
  const bool levels = model.settings.batching && model.settings.window.priority_levels > 0;
  model.one_queue = !model.batching->joins() || model.KeepsOrder() || levels;
}

void Scheduler::Body::StartLoads() {
  if (Limited()) return TendMemory();
  while (loading_ < settings_.loads_max && !loads_waiting_.empty()) {
    BeginLoad(loads_waiting_.front());
  }
}

void Scheduler::Body::BeginLoad(ModelId id) {
  std::erase(loads_waiting_, id);
  ModelRecord& model = models_[ToIndex(id)];
  if (out_->with_reasons) NoteLoad(id);
  grow_to_ = kNoModelId;
  model.state = ModelRecord::State::kLoading;
  model.memory.load_began = now_;
  model.memory.load_stopped = false;
  model.memory.for_requests = model.waiting > 0;
  ++loading_;
  if (Limited()) {
    turnover_.Loads(now_);
    Reckon();
  }
  BeginUse(model);
  if (HasVariants(model)) GatherAt(id);
  out_->actions.push_back(StartLoad{id});
}

void Scheduler::Body::BeginServing(ModelRecord& model, const ModelSettings& settings) {
  model.served = true;
  model.settings = settings;
  model.settings.rows_max = std::max(model.settings.rows_max, 1);
  model.may_inline = model.may_inline && model.settings.cores <= 1;
  model.waiting_by_level.assign(
      model.settings.batching ? model.settings.window.priority_levels + 1 : 1, 0);
  UseBatching(model);
}

void Scheduler::Body::On(const LoadFinished& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kLoading) return;
  --loading_;
  model->state = ModelRecord::State::kReady;
  const bool first_load = !model->served;
  if (first_load) BeginServing(*model, event.settings);
  if (Limited()) EndLoading(*model, event, first_load);
  UnloadIfDone(event.model);
}

void Scheduler::Body::On(const LoadFailed& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kLoading) return;
  --loading_;
  if (model->served && event.code == Code::kCancelled && model->memory.load_stopped) {
    return LoadGivenUp(event.model, *model);
  }
  if (model->served) return KeepOut(event.model, *model, event);
  const ModelId first = model->family;
  Forget(event.model);
  if (Limited()) Reckon();
  Stir();
  if (first != event.model) UnloadIfDone(first);
}

void Scheduler::Body::On(const UnloadWanted& event) {
  ModelRecord* const asked = FindModel(event.model);
  if (asked == nullptr) return;
  std::vector<ModelId> leaving(1, event.model);
  if (asked->Several()) leaving = asked->variants;
  for (const ModelId id : leaving) {
    ModelRecord& model = models_[ToIndex(id)];
    model.unload_wanted = true;
    if (model.state == ModelRecord::State::kQueued) {
      // Never loaded, but its end is told the same way.
      std::erase(loads_waiting_, id);
      model.state = ModelRecord::State::kReady;
      Stir();
    } else if (model.state == ModelRecord::State::kLoading &&
               !std::exchange(model.memory.load_stopped, true)) {
      out_->actions.push_back(StopLoad{id});
    }
  }
  for (const ModelId id : leaving) UnloadIfDone(id);
}

void Scheduler::Body::UnloadIfDone(ModelId id) {
  using State = ModelRecord::State;
  ModelRecord& model = models_[ToIndex(id)];
  // The first of several variants stands for the others until they are gone.
  const bool done = model.unload_wanted && model.accepted == 0 && !model.Several();
  if (!done && model.state != State::kLeaving) return;
  if (model.running > 0 || !(model.Resident() || model.state == State::kOut)) return;
  if (!done) return Evict(id);
  COTENANT_CHECK(model.waiting == 0 && model.first_queue == kNowhere);
  model.state = State::kUnloading;
  if (Limited()) {
    Reckon();  // Nothing is kept for its runs any more.
    Stir();
  }
  out_->actions.push_back(StartUnload{id});
}

void Scheduler::Body::On(const Unloaded& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kUnloading) return;
  const ModelId first = model->family;
  Forget(event.model);
  if (Limited()) Reckon();
  Stir();
  if (first != event.model) UnloadIfDone(first);
}

void Scheduler::Body::On(const WarmedUp& event) {
  if (FindModel(event.model) != nullptr) Learn(event.model, event.rows, event.ran_for, event.at);
}

void Scheduler::Body::Learn(ModelId id, std::int32_t rows, Duration ran_for, Instant at) {
  ModelRecord& model = models_[ToIndex(id)];
  model.estimates.Learn(rows, ran_for, at);
  const Duration p99 = model.estimates.P99(1);
  const Duration leave = settings_.inline_run_max;
  const bool may_inline =
      model.settings.cores <= 1 && (model.may_inline ? p99 <= leave : p99 < leave * 3 / 4);
  if (may_inline == model.may_inline) return;
  model.may_inline = may_inline;
  for (std::uint32_t queue = model.first_queue; queue != kNowhere;
       queue = queues_.queue(queue).next) {
    if (queues_.IsReady(queue)) Touch(queue);
  }
}

}  // namespace cotenant
