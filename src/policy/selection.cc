#include "policy/selection.h"

#include <algorithm>

namespace cotenant {

Selection SelectVariant(std::span<const SelectableVariant> variants, VariantTrial& trial) {
  Selection selection;
  std::int64_t tried_above = INT64_MAX;  // Those at least as accurate were tried.
  for (;;) {
    std::int32_t best = -1;
    for (const SelectableVariant& variant : variants) {
      if (variant.in_memory && variant.accuracy < tried_above) {
        best = std::max(best, variant.accuracy);
      }
    }
    if (best < 0) return selection;
    for (std::size_t i = 0; i < variants.size(); ++i) {
      if (!variants[i].in_memory || variants[i].accuracy != best) continue;
      if (trial.Meets(i)) {
        selection.chosen = i;
        return selection;
      }
      ++selection.passed_over;
    }
    tried_above = best;
  }
}

std::optional<std::int32_t> AccuracyFloor::For(std::span<const SelectableVariant> variants) const {
  std::int32_t best = 0;
  for (const SelectableVariant& variant : variants) best = std::max(best, variant.accuracy);
  if (of_request > best) return std::nullopt;
  // One that asks for less than its tenant or its model means it.
  if (of_request > 0) return of_request;
  return std::min(std::max(of_tenant, of_model), best);
}

}  // namespace cotenant
