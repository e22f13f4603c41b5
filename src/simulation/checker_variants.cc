/// What holds of models with several variants: a request is answered by one that meets its bounds,
/// and while memory is limited a model has one variant in memory, but for the moment in which
/// another takes its place.

#include <algorithm>

#include "policy/selection.h"
#include "simulation/checker.h"

namespace cotenant {
namespace {

constexpr std::int32_t kAccuracyNobodyHas = 1 << 30;

}  // namespace

void Checker::Join(ModelId id, const LoadWanted& event) {
  ModelOf(id).family = id;
  ModelOf(id).accuracy = event.accuracy;
  ModelOf(id).variants.assign(1, id);
  if (!event.variant_of || *event.variant_of == id) return;
  Model& first = ModelOf(*event.variant_of);
  const bool there = first.family == *event.variant_of && first.state != Model::State::kAbsent &&
                     first.state != Model::State::kUnloading && !first.leaving;
  if (!there) return;
  Model& model = ModelOf(id);
  model.family = *event.variant_of;
  model.variants.clear();
  ModelOf(*event.variant_of).variants.push_back(id);
  if (std::ranges::find(several_, *event.variant_of) == several_.end()) {
    several_.push_back(*event.variant_of);
  }
}

Checker::Model* Checker::FirstOf(const Model& model) {
  if (model.family == kNoModelId) return nullptr;
  Model& first = models_[ToIndex(model.family)];
  return first.variants.size() > 1 || !first.wants.empty() ? &first : nullptr;
}

void Checker::LeaveFamily(Model& model) {
  const auto id = static_cast<ModelId>(&model - models_.data());
  Model* const first = FirstOf(model);
  if (first == nullptr) return;
  std::erase(first->variants, id);
  if (first != &model || model.variants.empty()) return;
  // The variants of one that could not be loaded are a model without it.
  const std::vector<ModelId> others = std::move(model.variants);
  for (const ModelId other : others) ModelOf(other).family = others.front();
  ModelOf(others.front()).variants = others;
  if (others.size() > 1) several_.push_back(others.front());
}

bool Checker::MayAnswer(const Wants& wants, const Model& first, ModelId id) const {
  if (wants.named != kNoModelId && wants.named != id) return false;
  const Model& model = models_[ToIndex(id)];
  const bool known = model.accuracy > 0 || id == first.family || wants.named == id;
  return known && model.accuracy >= wants.accuracy;
}

bool Checker::IsReady(const Wants& wants, const Model& first) const {
  return std::ranges::any_of(first.variants, [&](ModelId id) {
    return models_[ToIndex(id)].state == Model::State::kReady && MayAnswer(wants, first, id);
  });
}

std::int64_t Checker::OutOf(const Model& first) const {
  std::int64_t waiting = 0;
  for (const Wants& wants : first.wants) {
    if (wants.waiting > 0 && !IsReady(wants, first)) waiting += wants.waiting;
  }
  return waiting;
}

void Checker::NoteOutOf(Model& first) {
  for (Wants& wants : first.wants) {
    if (wants.waiting == 0 || IsReady(wants, first)) {
      wants.out_since = Instant::Max();
    } else if (wants.out_since == Instant::Max()) {
      wants.out_since = now_;
    }
  }
}

/// Who may answer, as an index into `wants`.
std::uint32_t Checker::WantsOf(const Arrived& event, Model& first) {
  std::vector<SelectableVariant> served;
  for (const ModelId id : first.variants) {
    const Model& model = models_[ToIndex(id)];
    if (model.served && model.state != Model::State::kUnloading) {
      served.push_back({model.accuracy, true});
    }
  }
  const auto& tenants = settings_.node.tenants;
  AccuracyFloor floor{event.bounds.accuracy, 0, first.settings.accuracy_min};
  if (ToIndex(event.tenant) < tenants.size()) {
    floor.of_tenant = tenants[ToIndex(event.tenant)].accuracy_min;
  }
  Wants wants;
  wants.named = event.variant.value_or(kNoModelId);
  // Nobody has as much as it asks for, where there is no floor.
  wants.accuracy =
      event.variant ? event.bounds.accuracy : floor.For(served).value_or(kAccuracyNobodyHas);
  for (std::size_t i = 0; i < first.wants.size(); ++i) {
    const Wants& known = first.wants[i];
    if (known.named == wants.named && known.accuracy == wants.accuracy) {
      return static_cast<std::uint32_t>(i);
    }
  }
  first.wants.push_back(wants);
  return static_cast<std::uint32_t>(first.wants.size()) - 1;
}

bool Checker::MayRunOn(const Request& request, ModelId model) {
  if (request.model != model && ModelOf(model).family != request.model) return false;
  // One that came before its model had variants goes where they are.
  if (request.wants == kNowhere) return true;
  const Model& first = ModelOf(request.model);
  return MayAnswer(first.wants[request.wants], first, model);
}

bool Checker::IsOut(const Request& request) {
  const Model& model = ModelOf(request.model);
  if (request.wants == kNowhere) return model.state != Model::State::kReady;
  return !IsReady(model.wants[request.wants], model);
}

/// Does each variant that may answer fit into memory?
bool Checker::AllPossible(const Request& request) {
  const Model& first = ModelOf(request.model);
  if (request.wants == kNowhere) return Possible(first);
  return std::ranges::all_of(first.variants, [&](ModelId id) {
    return !MayAnswer(first.wants[request.wants], first, id) || Possible(models_[ToIndex(id)]);
  });
}

bool Checker::NobodyMayAnswer(const Request& request) {
  const Model& first = ModelOf(request.model);
  return request.wants != kNowhere && std::ranges::none_of(first.variants, [&](ModelId id) {
           return models_[ToIndex(id)].served && MayAnswer(first.wants[request.wants], first, id);
         });
}

bool Checker::AnyPinned() const {
  return std::ranges::any_of(models_, [](const Model& model) {
    return model.settings.pinned && model.state != Model::State::kAbsent;
  });
}

void Checker::CheckVariants() {
  changing_ = 0;
  for (const ModelId id : several_) {
    const Model& first = models_[ToIndex(id)];
    std::int32_t ready = 0;
    std::int32_t idle = 0;
    bool loading = false;
    for (const ModelId variant : first.variants) {
      const Model& model = models_[ToIndex(variant)];
      loading = loading || model.state == Model::State::kLoading;
      if (model.state != Model::State::kReady) continue;
      ++ready;
      if (model.running == 0 && !model.leaving) ++idle;
    }
    if (ready > 1) ++changing_;
    Expect(!Limited() || loading || ready <= 1 || idle <= 1,
           [&] { return "model " + Name(id) + " has several variants in memory"; });
  }
}

}  // namespace cotenant
