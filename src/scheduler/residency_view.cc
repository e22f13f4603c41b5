/// What the residency policy sees, and what of its plan is done.

#include <algorithm>

#include "base/check.h"
#include "scheduler/body.h"
#include "scheduler/residency_times.h"

namespace cotenant {

Instant Scheduler::Body::StaysUntil(const ModelRecord& model) const {
  return model.memory.since + std::max(model.memory.load_takes * kStayLoads, kStayLeast);
}

bool Scheduler::Body::Holds(const ModelRecord& model, bool others_wait) const {
  using State = ModelRecord::State;
  if (model.state == State::kOut) return model.memory.retry_at > now_;
  if (model.state != State::kReady || model.unload_wanted) return true;
  const bool used = model.waiting > 0 || model.running > 0;
  // What was loaded for nobody who waits goes by its stay as well, or foresights chase each other.
  if (!others_wait) return used || now_ < StaysUntil(model);
  if (!used) return false;
  // One run at least for each load: nobody is loaded and evicted for nothing again and again.
  return (model.waiting > 0 && !model.memory.ran) || now_ < StaysUntil(model);
}

void Scheduler::Body::FillModel(const ModelRecord& model, const ModelRecord* asked,
                                bool others_wait) {
  const ModelMemory& memory = model.memory;
  ResidentVariantView& variant = view_variants_.emplace_back();
  variant.size = &model == asked ? NeedOf(model) : std::max(memory.size, memory.held);
  variant.load_takes = memory.load_takes;
  ResidentModelView& view = view_models_.emplace_back();
  const bool resident = model.Resident() || model.state == ModelRecord::State::kLoading;
  view.resident = resident ? 0 : kNoVariant;
  view.held = &model != asked && Holds(model, others_wait);
  view.last_used = memory.last_used;
  view.credit = memory.credit;
  view.cold_penalty = kColdPenalty;
  if (residency_->proactive()) {
    view.forecast = prediction_->Forecast(memory.history, now_, kForecastHorizon);
  }
  view.wanted = &model == asked || model.waiting > 0 || ExpectedNow(model);
}

bool Scheduler::Body::ExpectedNow(const ModelRecord& model) const {
  const Instant expected = model.memory.expected;
  return expected < Instant::Max() && now_ + kForecastWindow >= expected &&
         now_ <= expected + kForecastWindow;
}

std::size_t Scheduler::Body::FillView(const ModelRecord* asked, bool others_wait) {
  view_models_.clear();
  view_variants_.clear();
  view_ids_.clear();
  std::size_t place = kNotInView;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    const ModelRecord& model = models_[i];
    if (&model == asked) place = view_ids_.size();
    if (&model != asked && !model.served) continue;
    view_ids_.push_back(ModelId{static_cast<std::uint32_t>(i)});
    FillModel(model, asked, others_wait);
  }
  for (std::size_t i = 0; i < view_models_.size(); ++i) {
    view_models_[i].variants = std::span(&view_variants_[i], 1);
  }
  view_.now = now_;
  view_.window = kForecastWindow;
  view_.horizon = kForecastHorizon;
  view_.total = settings_.memory - reserve_;
  view_.free = std::max(Free(), Bytes());
  view_.models = view_models_;
  view_.forecast_is_poor = score_.poor();
  plan_.changes.clear();
  plan_.chosen = kNoVariant;
  return place;
}

bool Scheduler::Body::TakeAway(std::size_t asked, Bytes needed, EvictReason why) {
  Bytes freed;
  for (const ResidencyChange& change : plan_.changes) {
    COTENANT_CHECK(change.model < view_ids_.size());
    if (change.variant != kNoVariant) continue;
    const ModelRecord& model = models_[ToIndex(view_ids_[change.model])];
    // A plan is whole or nothing.
    if (!InMemory(model) || view_models_[change.model].held) return false;
    freed += model.memory.held;
  }
  const bool enough = freed >= needed || why == EvictReason::kShortage;
  if (!enough || freed == Bytes()) return false;
  for (const ResidencyChange& change : plan_.changes) {
    if (change.variant != kNoVariant) continue;
    if (Suffices(asked)) break;
    const ModelId id = view_ids_[change.model];
    if (out_->with_reasons) NoteEvict(id, asked, needed, why);
    Leave(id);
  }
  return true;
}

/// With a model goes what was kept for its runs: less than planned may be enough.
bool Scheduler::Body::Suffices(std::size_t asked) {
  const Bytes coming = Free() + OnTheirWayOut();
  return asked == kNotInView ? coming >= Bytes()
                             : NeedOf(models_[ToIndex(view_ids_[asked])]) <= coming;
}

void Scheduler::Body::PlanLeastRecentlyUsed(Bytes needed) {
  plan_.changes.clear();
  for (Bytes freed; freed < needed;) {
    std::size_t oldest = kNotInView;
    for (std::size_t i = 0; i < view_models_.size(); ++i) {
      const ResidentModelView& model = view_models_[i];
      const bool taken =
          std::ranges::find(plan_.changes, i, &ResidencyChange::model) != plan_.changes.end();
      if (model.held || model.resident == kNoVariant || taken) continue;
      if (oldest == kNotInView || model.last_used < view_models_[oldest].last_used) oldest = i;
    }
    if (oldest == kNotInView) return;
    plan_.changes.push_back({oldest, kNoVariant});
    freed += models_[ToIndex(view_ids_[oldest])].memory.held;
  }
}

bool Scheduler::Body::SomebodyHolds(std::size_t asked) const {
  for (std::size_t i = 0; i < view_models_.size(); ++i) {
    const ModelRecord& model = models_[ToIndex(view_ids_[i])];
    if (i != asked && view_models_[i].held && model.memory.held > Bytes()) return true;
  }
  return loading_ > 0;
}

void Scheduler::Body::LookAgain(std::size_t asked) {
  for (std::size_t i = 0; i < view_models_.size(); ++i) {
    const ModelRecord& model = models_[ToIndex(view_ids_[i])];
    if (i == asked || !view_models_[i].held || !InMemory(model)) continue;
    if (StaysUntil(model) > now_) tend_at_ = std::min(tend_at_, StaysUntil(model));
  }
}

Bytes Scheduler::Body::Lacking(std::size_t asked) {
  Bytes& size = view_variants_[asked].size;
  if (!SomebodyHolds(asked)) size = std::min(size, view_.free + taken_);
  return size - view_.free;
}

}  // namespace cotenant
