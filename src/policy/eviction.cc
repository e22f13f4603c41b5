#include "policy/eviction.h"

#include <algorithm>

namespace cotenant {

Bytes SizeOf(const ResidentModelView& model, std::int32_t variant) {
  return variant == kNoVariant ? Bytes() : model.variants[static_cast<std::size_t>(variant)].size;
}

bool MayGive(const ResidencyView& view, std::size_t index, std::size_t asked, bool wanted_too) {
  const ResidentModelView& model = view.models[index];
  return index != asked && model.resident != kNoVariant && !model.held &&
         (wanted_too || !model.wanted);
}

std::size_t BestFit(std::span<const Giver> givers, Bytes need) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < givers.size(); ++i) {
    const Bytes now = givers[best].gives;
    const Bytes other = givers[i].gives;
    const bool tighter = other >= need && (now < need || other < now);
    const bool bigger = now < need && other > now;
    if (tighter || bigger) best = i;
  }
  return best;
}

void EvictingPolicy::Procure(const ResidencyView& view, std::size_t model,
                             ResidencyPlan& plan) const {
  const ResidentModelView& asked = view.models[model];
  plan.changes.clear();
  const auto best = static_cast<std::int32_t>(asked.variants.size()) - 1;
  for (plan.chosen = best; plan.chosen >= asked.smallest_allowed; --plan.chosen) {
    if (plan.chosen == asked.resident) return;
    const Bytes need = SizeOf(asked, plan.chosen) - view.free - ResidentSize(asked);
    if (need <= Bytes() || MakeRoom(view, model, need, false, plan) >= need) {
      plan.changes.push_back({model, plan.chosen});
      return;
    }
    plan.changes.clear();
  }
  plan.chosen = kNoVariant;
}

void EvictingPolicy::Release(const ResidencyView& view, Bytes bytes, ResidencyPlan& plan) const {
  plan.changes.clear();
  plan.chosen = kNoVariant;
  if (bytes <= Bytes() || MakeRoom(view, kNoModel, bytes, false, plan) >= bytes) return;
  plan.changes.clear();
  MakeRoom(view, kNoModel, bytes, true, plan);
}

void WindowPolicy::Improve(const ResidencyView& view, ResidencyPlan& plan) const {
  plan.changes.clear();
  plan.chosen = kNoVariant;
  Bytes free = view.free;
  for (std::size_t i = 0; i < view.models.size(); ++i) {
    const ResidentModelView& model = view.models[i];
    if (!model.wanted || model.held) continue;
    auto better = static_cast<std::int32_t>(model.variants.size()) - 1;
    while (better > model.resident && SizeOf(model, better) > free + ResidentSize(model)) --better;
    if (better <= model.resident || better < model.smallest_allowed) continue;
    free += ResidentSize(model) - SizeOf(model, better);
    plan.changes.push_back({i, better});
  }
}

Bytes RemoveLeastRecentlyUsed(const ResidencyView& view, std::size_t asked, Bytes need,
                              ResidencyPlan& plan) {
  return RemoveModels(view, asked, need, true, plan, [&view](std::span<const Giver> givers, Bytes) {
    return LeastOf(view, givers, [](const ResidentModelView& model) { return model.last_used; });
  });
}

}  // namespace cotenant
