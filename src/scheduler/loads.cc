/// Models come and go: loads in order of wish, a bounded number at a time; unloads when the last
/// request has ended.

#include <algorithm>

#include "base/check.h"
#include "scheduler/body.h"

namespace cotenant {

void Scheduler::Body::On(const LoadWanted& event) {
  if (ToIndex(event.model) >= models_.size()) models_.resize(ToIndex(event.model) + 1);
  ModelRecord& model = models_[ToIndex(event.model)];
  COTENANT_CHECK(model.state == ModelRecord::State::kAbsent);
  model = ModelRecord{};
  model.state = ModelRecord::State::kQueued;
  loads_waiting_.push_back(event.model);
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
  while (loading_ < settings_.loads_max && !loads_waiting_.empty()) {
    const ModelId model = loads_waiting_.front();
    loads_waiting_.erase(loads_waiting_.begin());
    models_[ToIndex(model)].state = ModelRecord::State::kLoading;
    ++loading_;
    out_->actions.push_back(StartLoad{model});
  }
}

void Scheduler::Body::On(const LoadFinished& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kLoading) return;
  --loading_;
  model->state = ModelRecord::State::kReady;
  model->settings = event.settings;
  model->settings.rows_max = std::max(model->settings.rows_max, 1);
  model->may_inline = model->may_inline && model->settings.cores <= 1;
  model->waiting_by_level.assign(
      model->settings.batching ? model->settings.window.priority_levels + 1 : 1, 0);
  UseBatching(*model);
  UnloadIfDone(event.model);
}

void Scheduler::Body::On(const LoadFailed& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kLoading) return;
  --loading_;
  *model = ModelRecord{};
}

void Scheduler::Body::On(const UnloadWanted& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr) return;
  model->unload_wanted = true;
  if (model->state == ModelRecord::State::kQueued) {
    // Never loaded, but its end is told the same way.
    std::erase(loads_waiting_, event.model);
    model->state = ModelRecord::State::kReady;
  }
  UnloadIfDone(event.model);
}

void Scheduler::Body::UnloadIfDone(ModelId id) {
  ModelRecord& model = models_[ToIndex(id)];
  if (!model.unload_wanted || model.state != ModelRecord::State::kReady) return;
  if (model.accepted > 0 || model.running > 0) return;
  COTENANT_CHECK(model.waiting == 0 && model.first_queue == kNowhere);
  model.state = ModelRecord::State::kUnloading;
  out_->actions.push_back(StartUnload{id});
}

void Scheduler::Body::On(const Unloaded& event) {
  ModelRecord* model = FindModel(event.model);
  if (model == nullptr || model->state != ModelRecord::State::kUnloading) return;
  *model = ModelRecord{};
}

// Nothing is evicted while memory has no limit.
void Scheduler::Body::On(const Evicted&) {}

void Scheduler::Body::On(const WarmedUp& event) {
  if (FindModel(event.model) != nullptr) Learn(event.model, event.rows, event.ran_for);
}

void Scheduler::Body::Learn(ModelId id, std::int32_t rows, Duration ran_for) {
  ModelRecord& model = models_[ToIndex(id)];
  model.estimates.Learn(rows, ran_for);
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
