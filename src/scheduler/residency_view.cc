/// What the residency policy sees, and what of its plan is done.

#include <algorithm>
#include <tuple>

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
  if (model.state != State::kReady || model.settings.pinned) return true;
  // It goes with its last request. With none, it is only there because requests wait for another
  // variant, and may be in their way.
  if (model.unload_wanted && (model.waiting > 0 || model.running > 0)) return true;
  return HoldsByUse(model, others_wait);
}

bool Scheduler::Body::HoldsByUse(const ModelRecord& model, bool others_wait) const {
  const bool used = model.waiting > 0 || model.running > 0;
  // What was loaded for nobody who waits goes by its stay as well, or foresights chase each other.
  if (!others_wait) return used || now_ < StaysUntil(model);
  if (!used) return false;
  // One run at least for each load: nobody is loaded and evicted for nothing again and again.
  return (model.waiting > 0 && !model.memory.ran) || now_ < StaysUntil(model);
}

void Scheduler::Body::FillModel(ModelId id, const ModelRecord* asked, bool others_wait) {
  const ModelRecord& model = models_[ToIndex(id)];
  view_first_.push_back(view_variants_.size());
  // Before its first load it is one network, whatever else is to come.
  if (model.Several() && model.served) {
    const bool is_asked = asked != nullptr && asked->served && asked->family == id;
    return is_asked ? FillAsked(model, *asked) : FillVariants(model, others_wait);
  }
  const ModelMemory& memory = model.memory;
  ResidentVariantView& variant = view_variants_.emplace_back();
  variant.size = &model == asked ? NeedOf(model) : std::max(memory.size, memory.held);
  variant.load_takes = memory.load_takes;
  view_variant_ids_.push_back(id);
  view_ids_.push_back(id);
  ResidentModelView& view = view_models_.emplace_back();
  const bool resident = model.Resident() || model.state == ModelRecord::State::kLoading;
  view.resident = resident ? 0 : kNoVariant;
  view.held = &model != asked && Holds(model, others_wait);
  FillCommon(FirstOf(model), view);
  view.waiting = model.waiting > 0;
  view.wanted = &model == asked || model.waiting > 0 || ExpectedNow(model);
}

void Scheduler::Body::FillCommon(const ModelRecord& first, ResidentModelView& view) {
  const ModelMemory& memory = first.memory;
  view.last_used = memory.last_used;
  view.credit = memory.credit;
  view.cold_penalty = kColdPenalty;
  if (first.Several()) view.point_penalty = kPointPenalty;
  if (residency_->proactive()) {
    view.forecast = prediction_->Forecast(memory.history, now_, kForecastHorizon);
  }
}

/// Another model than the asked one: what it has in memory, and what may take its place.
void Scheduler::Body::FillVariants(const ModelRecord& first, bool others_wait) {
  using State = ModelRecord::State;
  const auto nearness = [](State state) {
    return state == State::kLoading ? 3 : state == State::kReady ? 2 : state == State::kLeaving;
  };
  ModelId resident = kNoModelId;
  bool waiting = false;
  for (const ModelId id : first.variants) {
    const ModelRecord& model = models_[ToIndex(id)];
    waiting = waiting || model.waiting > 0;
    const int near = nearness(model.state);
    if (near == 0) continue;
    const bool nearer = resident == kNoModelId || near > nearness(models_[ToIndex(resident)].state);
    if (nearer) resident = id;
  }
  candidates_.clear();
  for (const ModelId id : first.variants) {
    const ModelRecord& model = models_[ToIndex(id)];
    const bool usable = Answers(id) && PossibleNow(model) && model.accuracy > 0;
    if (!usable && id != resident && model.family != id) continue;
    const Bytes size = std::max(model.memory.size, model.memory.held);
    candidates_.push_back({id, size, model.accuracy});
  }
  view_ids_.push_back(resident == kNoModelId ? first.family : resident);
  ResidentModelView& view = view_models_.emplace_back();
  view.held = HoldsVariants(first, others_wait);
  FillCommon(first, view);
  view.waiting = waiting;
  view.wanted = waiting || ExpectedNow(first);
  AddVariants(resident, view);
  const std::int32_t floor = std::max(first.settings.accuracy_min, first.tenants_ask);
  const std::size_t begin = view_first_.back();
  auto& least = view.smallest_allowed;
  const auto last = static_cast<std::int32_t>(view_variant_ids_.size() - begin) - 1;
  const auto accuracy = [&](std::int32_t variant) {
    const ModelId id = view_variant_ids_[begin + static_cast<std::size_t>(variant)];
    return models_[ToIndex(id)].accuracy;
  };
  for (least = 0; least < last && (accuracy(least) < floor || accuracy(least) == 0);) ++least;
}

/// The asked model: the variants that all may use who wait for the asked one. What it has in memory
/// serves none of them, and counts as free if it may go.
void Scheduler::Body::FillAsked(const ModelRecord& first, const ModelRecord& asked) {
  const ModelId asked_id = static_cast<ModelId>(&asked - models_.data());
  std::int32_t floor =
      asked.waiting > 0 ? 0 : std::max(first.settings.accuracy_min, first.tenants_ask);
  bool named = false;
  for (std::uint32_t i = asked.first_queue; i != kNowhere; i = queues_.queue(i).next) {
    queues_.ForEach(i, [&](std::uint32_t index) {
      floor = std::max(floor, requests_[index].accuracy);
      named = named || requests_[index].named;
    });
  }
  const std::optional<TenantId> tenant = OnlyTenantWaiting(asked);
  candidates_.clear();
  const auto add = [&](ModelId id) {
    const ModelRecord& model = models_[ToIndex(id)];
    candidates_.push_back({id, NeedOf(model), model.accuracy});
  };
  for (const ModelId id : first.variants) {
    const ModelRecord& model = models_[ToIndex(id)];
    const bool out = model.served && model.state == ModelRecord::State::kOut;
    if (named || !out || !PossibleNow(model) || model.memory.retry_at > now_) continue;
    if (tenant && TooLargeFor(*tenant, model)) continue;
    // In time for the first who waits, if another one is.
    const bool late = asked.waiting > 0 && now_ + model.memory.load_takes > asked.memory.due;
    const bool accurate = model.accuracy >= floor && (model.accuracy > 0 || model.family == id);
    if (accurate && (!late || id == asked_id)) add(id);
  }
  if (candidates_.empty()) add(asked_id);
  view_ids_.push_back(asked_id);
  ResidentModelView& view = view_models_.emplace_back();
  FillCommon(first, view);
  view.waiting = asked.waiting > 0;
  view.wanted = true;
  AddVariants(kNoModelId, view);
}

/// In the order that policies expect: what is larger and no better is left out, but for what is in
/// memory.
void Scheduler::Body::AddVariants(ModelId resident, ResidentModelView& view) {
  std::ranges::sort(candidates_, [](const Candidate& a, const Candidate& b) {
    return std::tie(a.size, a.accuracy, a.id) < std::tie(b.size, b.accuracy, b.id);
  });
  const std::size_t begin = view_first_.back();
  std::int32_t best = -1;
  for (const Candidate& candidate : candidates_) {
    if (candidate.accuracy <= best && candidate.id != resident) continue;
    best = std::max(best, candidate.accuracy);
    if (candidate.id == resident) {
      view.resident = static_cast<std::int32_t>(view_variants_.size() - begin);
    }
    const Duration load = models_[ToIndex(candidate.id)].memory.load_takes;
    view_variants_.push_back({candidate.size, best, load});
    view_variant_ids_.push_back(candidate.id);
  }
}

bool Scheduler::Body::HoldsVariants(const ModelRecord& first, bool others_wait) const {
  using State = ModelRecord::State;
  ModelId there = kNoModelId;
  bool may_come = false;
  for (const ModelId id : first.variants) {
    const ModelRecord& model = models_[ToIndex(id)];
    switch (model.state) {
      case State::kLoading:
      case State::kLeaving:
      case State::kEvicting: return true;
      case State::kReady: there = id; break;
      case State::kOut: may_come = may_come || model.memory.retry_at <= now_; break;
      default: break;
    }
  }
  if (there == kNoModelId) return !may_come;
  const ModelRecord& model = models_[ToIndex(there)];
  if (others_wait || model.unload_wanted || model.settings.pinned) return Holds(model, others_wait);
  // One that runs can be replaced; the other is loaded first.
  return model.waiting > 0 || now_ < StaysUntil(model);
}

ModelId Scheduler::Body::VariantAt(const ResidencyChange& change) const {
  if (change.variant == kNoVariant) return kNoModelId;
  return view_variant_ids_[view_first_[change.model] + static_cast<std::size_t>(change.variant)];
}

ModelId Scheduler::Body::LeftInPlace(const ResidencyChange& change, std::size_t asked) const {
  const ModelId to = VariantAt(change);
  if (to == kNoModelId || change.model == asked) return kNoModelId;
  const ModelRecord& model = models_[ToIndex(to)];
  const ModelRecord& present = models_[ToIndex(view_ids_[change.model])];
  const bool smaller = model.memory.size < present.memory.held;
  const bool may_come = model.state == ModelRecord::State::kOut && model.memory.retry_at <= now_;
  return smaller && may_come ? to : kNoModelId;
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
  view_variant_ids_.clear();
  view_first_.clear();
  std::size_t place = kNotInView;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    const ModelRecord& model = models_[i];
    const ModelId id{static_cast<std::uint32_t>(i)};
    // A model is in the view once; a variant that is to be measured is beside it.
    const bool whole = model.served && model.family == id;
    const bool measured = &model == asked && !model.served;
    if (!whole && !measured) continue;
    const bool is_asked = measured || (asked != nullptr && asked->served && asked->family == id);
    if (is_asked) place = view_ids_.size();
    FillModel(id, asked, others_wait);
  }
  view_first_.push_back(view_variants_.size());
  for (std::size_t i = 0; i < view_models_.size(); ++i) {
    view_models_[i].variants =
        std::span(&view_variants_[view_first_[i]], view_first_[i + 1] - view_first_[i]);
  }
  view_.now = now_;
  view_.window = kForecastWindow;
  view_.horizon = kForecastHorizon;
  view_.total = std::max(limit_ - reserve_, Bytes());
  view_.free = std::max(Free(), Bytes());
  view_.load_penalty_per_mille =
      std::ranges::any_of(models_, &ModelRecord::Several) ? kLoadPenaltyPerMille : 0;
  if (asked != nullptr && asked->served) {
    // What the asked model itself gives back.
    const ModelId there = InPlaceOf(*asked);
    if (there != kNoModelId && !Holds(models_[ToIndex(there)], true)) {
      view_.free += models_[ToIndex(there)].memory.held;
    }
  }
  view_.models = view_models_;
  const auto resident = std::ranges::count_if(
      view_models_, [](const ResidentModelView& model) { return model.resident != kNoVariant; });
  view_.load_weight_per_mille = turnover_.WeightPerMille(now_, kForecastHorizon, resident);
  view_.forecast_is_poor = score_.poor();
  plan_.changes.clear();
  plan_.chosen = kNoVariant;
  planned_by_ = residency_;
  return place;
}

bool Scheduler::Body::TakeAway(std::size_t asked, Bytes needed, EvictReason why) {
  Bytes freed;
  for (const ResidencyChange& change : plan_.changes) {
    COTENANT_CHECK(change.model < view_ids_.size());
    const ModelId left = LeftInPlace(change, asked);
    if (change.variant != kNoVariant && left == kNoModelId) continue;
    const ModelRecord& model = models_[ToIndex(view_ids_[change.model])];
    // A plan is whole or nothing.
    if (!InMemory(model) || view_models_[change.model].held) return false;
    freed += model.memory.held;
    if (left != kNoModelId) freed -= models_[ToIndex(left)].memory.size;
  }
  const bool enough = freed >= needed || why == EvictReason::kShortage;
  if (!enough || freed == Bytes()) return false;
  for (const ResidencyChange& change : plan_.changes) {
    const ModelId left = LeftInPlace(change, asked);
    if (change.variant != kNoVariant && left == kNoModelId) continue;
    if (Suffices()) break;
    if (left != kNoModelId && NeedOf(models_[ToIndex(left)]) <= Free()) {
      // The smaller one comes first; the larger one leaves when it is there. What is left of the
      // plan for want of loads at a time is planned anew then.
      if (loading_ < settings_.loads_max) BeginLoad(left);
      continue;
    }
    const ModelId id = view_ids_[change.model];
    if (out_->with_reasons) {
      const bool known = aim_ != kNoModelId;
      NoteChoice(change.model, asked,
                 NoteEvict(id, known ? std::optional(aim_) : std::nullopt, needed, why));
    }
    Leave(id);
  }
  return true;
}

/// With a model goes what was kept for its runs: less than planned may be enough.
bool Scheduler::Body::Suffices() {
  const Bytes coming = Free() + OnTheirWayOut();
  return aim_ == kNoModelId ? coming >= Bytes() : NeedOf(models_[ToIndex(aim_)]) <= coming;
}

void Scheduler::Body::PlanLeastRecentlyUsed(Bytes needed) {
  plan_.changes.clear();
  planned_by_ = &ResidencyLru();
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
    const bool pinned = model.settings.pinned && InMemory(model);
    if (i != asked && view_models_[i].held && model.memory.held > Bytes() && !pinned) return true;
  }
  return loading_ > 0;
}

void Scheduler::Body::LookAgain(std::size_t asked) {
  for (std::size_t i = 0; i < view_models_.size(); ++i) {
    const ModelRecord& model = models_[ToIndex(view_ids_[i])];
    if (i == asked || !view_models_[i].held || !InMemory(model) || model.settings.pinned) continue;
    if (StaysUntil(model) > now_) tend_at_ = std::min(tend_at_, StaysUntil(model));
  }
}

Bytes Scheduler::Body::Lacking(std::size_t asked) {
  Bytes& size = view_variants_[view_first_[asked]].size;
  if (!SomebodyHolds(asked)) size = std::min(size, view_.free + taken_);
  return size - view_.free;
}

}  // namespace cotenant
