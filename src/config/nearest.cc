#include "config/nearest.h"

#include <algorithm>
#include <vector>

namespace cotenant {
namespace {

// Longer names are nobody's typing mistake, and the distance costs their product.
constexpr std::size_t kNameSizeMax = 100;

std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view name, std::span<const std::string_view> names) {
  if (name.size() > kNameSizeMax) return {};
  std::string_view best;
  std::size_t best_distance = kNameSizeMax;
  for (std::string_view candidate : names) {
    const std::size_t distance = Distance(name, candidate);
    if (distance < best_distance && distance <= candidate.size() / 3 + 1) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view name, std::span<const std::string_view> names,
                       std::string_view prefix) {
  const std::string_view nearest = Nearest(name, names);
  if (nearest.empty()) return {};
  return "; did you mean '" + std::string(prefix) + std::string(nearest) + "'?";
}

std::string OneOf(std::span<const std::string_view> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace cotenant
