/// Which variant of a model answers a request, and where the model's requests wait.
///
/// A request waits in the queues of one variant: the one that is to answer it, as things stand. It
/// moves to another that may answer it when that one comes into memory first, or when its own
/// leaves. While memory is limited a model has one variant there, but for the time in which another
/// takes its place: that is loaded first where there is room, and the old one leaves then.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/selection.h"
#include "scheduler/body.h"

namespace cotenant {

/// Asks for each variant what is asked for every request.
class Scheduler::Body::Trial final : public VariantTrial {
 public:
  Trial(Body& body, Request& request) : body_(body), request_(request) {}

  bool Meets(std::size_t variant) override {
    std::vector<Decision>& noted = body_.out_->decisions;
    const std::size_t before = noted.size();
    request_.model = body_.selectable_ids_[variant];
    const auto refusal = body_.Refusal(request_, &body_.model_of(request_));
    if (!refusal) return true;
    if (!refused_ || refusal->earliest_bound < refused_->earliest_bound) {
      refused_ = refusal;
      refused_model_ = request_.model;
      why_.reset();
      if (noted.size() > before) why_ = noted.back();
    }
    // Those passed over are told with the one that is chosen.
    noted.erase(noted.begin() + static_cast<std::ptrdiff_t>(before), noted.end());
    return false;
  }

  /// The refusal that is nearest to an answer.
  Reject Refused() {
    request_.model = refused_model_;
    if (why_) body_.out_->decisions.push_back(*why_);
    return *refused_;
  }

 private:
  Body& body_;
  Request& request_;
  std::optional<Reject> refused_;
  ModelId refused_model_{};
  std::optional<Decision> why_;
};

void Scheduler::Body::JoinModel(ModelId id, const LoadWanted& event) {
  ModelRecord& model = models_[ToIndex(id)];
  ModelRecord* const first = event.variant_of ? FindModel(*event.variant_of) : nullptr;
  const bool joins = first != nullptr && first != &model && first->family == *event.variant_of &&
                     !first->unload_wanted && first->state != ModelRecord::State::kUnloading;
  model.accuracy = event.accuracy;
  model.family = joins ? *event.variant_of : id;
  (joins ? *first : model).variants.push_back(id);
}

void Scheduler::Body::Forget(ModelId id) {
  ModelRecord& model = models_[ToIndex(id)];
  std::vector<ModelId> others = std::move(model.variants);
  if (model.family != id) std::erase(FirstOf(model).variants, id);
  model = ModelRecord{};
  std::erase(others, id);
  if (others.empty()) return;
  // It could not be loaded; its variants are a model without it.
  const ModelId first = others.front();
  for (const ModelId other : others) models_[ToIndex(other)].family = first;
  models_[ToIndex(first)].variants = std::move(others);
}

bool Scheduler::Body::Answers(ModelId id) const {
  const ModelRecord& model = models_[ToIndex(id)];
  return model.served && model.state != ModelRecord::State::kUnloading;
}

bool Scheduler::Body::MayAnswer(const Request& request, ModelId id) const {
  if (request.named) return id == request.model;
  const ModelRecord& model = models_[ToIndex(id)];
  return model.accuracy >= request.accuracy && (model.accuracy > 0 || model.family == id);
}

std::optional<Reject> Scheduler::Body::SetVariants(Request& request, const Arrived& event,
                                                   const ModelRecord& first) {
  selectable_.clear();
  selectable_ids_.clear();
  for (const ModelId id : first.variants) {
    const ModelRecord& model = models_[ToIndex(id)];
    if (!Answers(id) || (event.variant && *event.variant != id)) continue;
    selectable_.push_back({model.accuracy, InMemory(model)});
    selectable_ids_.push_back(id);
  }
  if (selectable_.empty()) {
    return Reject{
        request.id, End::kRejected, Code::kUnavailable, RejectReason::kModelUnloaded, {}, {}, {}};
  }
  if (event.variant) {
    request.model = *event.variant;
    request.named = true;
  }
  const std::size_t tenant = ToIndex(event.tenant);
  const auto& tenants = settings_.node.tenants;
  AccuracyFloor floor{event.bounds.accuracy, 0, first.settings.accuracy_min};
  if (tenant < tenants.size()) floor.of_tenant = tenants[tenant].accuracy_min;
  const std::optional<std::int32_t> least = floor.For(selectable_);
  if (!least) {
    return Reject{
        request.id, End::kRejected, Code::kFailedPrecondition, RejectReason::kNotAccurate, {}, {},
        {}};
  }
  request.accuracy = request.named ? 0 : *least;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < selectable_.size(); ++i) {
    if (!MayAnswer(request, selectable_ids_[i])) continue;
    selectable_[kept] = selectable_[i];
    selectable_ids_[kept++] = selectable_ids_[i];
  }
  selectable_.resize(kept);
  selectable_ids_.resize(kept);
  return std::nullopt;
}

std::optional<Reject> Scheduler::Body::Select(Request& request, const Arrived& event,
                                              ModelRecord& first) {
  // What holds for all of its variants.
  if (draining_ || first.unload_wanted || !first.served) return Refusal(request, &first);
  const auto& tenants = settings_.node.tenants;
  if (ToIndex(event.tenant) < tenants.size()) {
    const std::int32_t asks = tenants[ToIndex(event.tenant)].accuracy_min;
    first.tenants_ask = std::max(first.tenants_ask, asks);
  }
  if (const auto refusal = SetVariants(request, event, first)) return refusal;
  Trial trial(*this, request);
  const std::size_t noted = out_->decisions.size();
  const Selection selection = SelectVariant(selectable_, trial);
  if (!selection.chosen) {
    if (selection.passed_over > 0) return trial.Refused();
    request.model = WaitsFor(request);
    if (request.model == kNoModelId) return Refusal(request, nullptr);
    return Refusal(request, &model_of(request));
  }
  request.model = selectable_ids_[*selection.chosen];
  if (out_->decisions.size() > noted) {
    if (auto* why = std::get_if<AdmissionDecision>(&out_->decisions.back())) {
      why->passed_over = selection.passed_over;
    }
  }
  return std::nullopt;
}

ModelId Scheduler::Body::WaitsFor(const Request& request) const {
  if (request.named) return request.model;
  using State = ModelRecord::State;
  const auto nearness = [this](const ModelRecord& model) {
    switch (model.state) {
      case State::kReady: return 5;
      case State::kLoading: return 4;
      case State::kLeaving: return 3;
      case State::kEvicting: return 2;
      default: return model.memory.retry_at <= now_ && PossibleNow(model) ? 1 : 0;
    }
  };
  ModelId best = kNoModelId;
  for (const ModelId id : FirstOf(models_[ToIndex(request.model)]).variants) {
    if (!Answers(id) || !MayAnswer(request, id)) continue;
    if (best == kNoModelId) {
      best = id;
      continue;
    }
    const ModelRecord& model = models_[ToIndex(id)];
    const ModelRecord& other = models_[ToIndex(best)];
    const int near = nearness(model);
    const int nearest = nearness(other);
    // In memory or on its way, the most accurate; else what is loaded soonest.
    const bool better =
        near >= 2 ? model.accuracy > other.accuracy : model.memory.size < other.memory.size;
    if (near > nearest || (near == nearest && better)) best = id;
  }
  return best;
}

void Scheduler::Body::MoveWaiting(ModelId from) {
  moving_.clear();
  const ModelRecord& model = models_[ToIndex(from)];
  for (std::uint32_t i = model.first_queue; i != kNowhere; i = queues_.queue(i).next) {
    queues_.ForEach(i, [&](std::uint32_t index) {
      const ModelId to = WaitsFor(requests_[index]);
      if (to != from && to != kNoModelId) moving_.push_back(index);
    });
  }
  MoveAll(from, kNoModelId);
}

void Scheduler::Body::MoveWaiting(ModelId from, ModelId to) {
  moving_.clear();
  const ModelRecord& model = models_[ToIndex(from)];
  for (std::uint32_t i = model.first_queue; i != kNowhere; i = queues_.queue(i).next) {
    queues_.ForEach(i, [&](std::uint32_t index) {
      if (MayAnswer(requests_[index], to)) moving_.push_back(index);
    });
  }
  MoveAll(from, to);
}

/// Those in `moving_`; to where each one waits now where `to` is none.
void Scheduler::Body::MoveAll(ModelId from, ModelId to) {
  if (moving_.empty()) return;
  std::ranges::sort(moving_, {}, [this](std::uint32_t index) { return requests_[index].sequence; });
  // All go before the first comes, so that they keep their order within their tenant.
  for (const std::uint32_t index : moving_) {
    const Request& request = requests_[index];
    accounts_.Charge(request.tenant, Duration() - request.cost);
    Dequeue(index);
  }
  for (const std::uint32_t index : moving_) {
    Request& request = requests_[index];
    COTENANT_CHECK(models_[ToIndex(from)].accepted > 0);
    --models_[ToIndex(from)].accepted;
    const ModelId target = to == kNoModelId ? WaitsFor(request) : to;
    if (out_->with_reasons) out_->decisions.push_back(MoveDecision{request.id, from, target});
    request.model = target;
    ++model_of(request).accepted;
    Enqueue(index, CostOf(request, model_of(request)));
  }
  if (models_[ToIndex(from)].unload_wanted) UnloadIfDone(from);
}

ModelId Scheduler::Body::InPlaceOf(const ModelRecord& model) const {
  for (const ModelId id : FirstOf(model).variants) {
    const ModelRecord& other = models_[ToIndex(id)];
    if (&other != &model && InMemory(other)) return id;
  }
  return kNoModelId;
}

bool Scheduler::Body::IsReplaced(const ModelRecord& model) const {
  if (!InMemory(model) || !HasVariants(model)) return false;
  return std::ranges::any_of(FirstOf(model).variants, [this](ModelId id) {
    const ModelRecord& other = models_[ToIndex(id)];
    return other.served && other.state == ModelRecord::State::kLoading;
  });
}

/// The variant has come into memory: the others leave, and those who wait for them come here, if it
/// may answer them. After its first load the better one stays.
void Scheduler::Body::TakePlace(ModelId id, bool first_load) {
  const ModelRecord& model = models_[ToIndex(id)];
  if (model.unload_wanted) return;
  const std::vector<ModelId>& all = FirstOf(model).variants;
  for (const ModelId other : all) {
    if (other != id && !InMemory(models_[ToIndex(other)])) MoveWaiting(other);
  }
  for (const ModelId other : all) {
    if (other == id || !InMemory(models_[ToIndex(other)])) continue;
    const bool stays = first_load && models_[ToIndex(other)].accuracy >= model.accuracy;
    const ModelId leaves = stays ? id : other;
    if (out_->with_reasons) {
      NoteEvict(leaves, stays ? other : id, Bytes(), EvictReason::kReplaced);
    }
    Leave(leaves);
    if (stays) return;
  }
}

void Scheduler::Body::GatherAt(ModelId id) {
  for (const ModelId other : FirstOf(models_[ToIndex(id)]).variants) {
    if (other != id && !InMemory(models_[ToIndex(other)])) MoveWaiting(other);
  }
}

std::uint32_t Scheduler::Body::RunsOfAll(const ModelRecord& model) const {
  if (!HasVariants(model)) return model.running;
  std::uint32_t runs = 0;
  for (const ModelId id : FirstOf(model).variants) runs += models_[ToIndex(id)].running;
  return runs;
}

}  // namespace cotenant
