#include "simulation/expectations.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "base/check.h"

namespace cotenant {
namespace {

using Quantity = Expectation::Quantity;

std::optional<std::int64_t> ValueOf(Quantity quantity, const GroupResult& group) {
  const bool replied = group.Ended(RunEnd::kReplied) > 0;
  switch (quantity) {
    case Quantity::kBoundsMetPercent: return group.BoundsMetMilliPercent();
    case Quantity::kRefusedPercent: return group.RefusedMilliPercent();
    case Quantity::kLatencyP50:
      if (!replied) return std::nullopt;
      return group.latency.p50.nanoseconds();
    case Quantity::kLatencyP99:
      if (!replied) return std::nullopt;
      return group.latency.p99.nanoseconds();
    case Quantity::kReplied: return static_cast<std::int64_t>(group.Ended(RunEnd::kReplied));
  }
  return std::nullopt;
}

/// `value` / 1000 with three decimals.
std::string Thousandths(std::int64_t value) {
  std::string decimals = std::to_string(value % 1000);
  decimals.insert(0, 3 - decimals.size(), '0');
  return std::to_string(value / 1000) + "." + decimals;
}

std::string TextOf(Quantity quantity, const std::optional<std::int64_t>& value) {
  const bool percent =
      quantity == Quantity::kBoundsMetPercent || quantity == Quantity::kRefusedPercent;
  if (!value) {
    return quantity == Quantity::kBoundsMetPercent ? "no request had a bound"
           : percent                               ? "no requests"
                                                   : "no request was replied";
  }
  if (percent) return Thousandths(*value) + " %";
  if (quantity == Quantity::kReplied) return std::to_string(*value);
  return Thousandths(*value / 1000) + " ms";
}

}  // namespace

std::vector<ExpectationResult> CheckExpectations(const Scenario& scenario,
                                                 const RunResult& result) {
  COTENANT_CHECK(result.tenants.size() == scenario.node.tenants.size());
  std::vector<ExpectationResult> results;
  for (const Expectation& expectation : scenario.expectations) {
    const GroupResult& group =
        expectation.tenant ? result.tenants[*expectation.tenant] : result.all;
    const std::optional<std::int64_t> value = ValueOf(expectation.quantity, group);
    const bool held = value && (!expectation.at_least || *value >= *expectation.at_least) &&
                      (!expectation.at_most || *value <= *expectation.at_most);
    results.push_back({expectation.text, held, TextOf(expectation.quantity, value)});
  }
  return results;
}

bool AllHeld(const std::vector<ExpectationResult>& results) {
  return std::ranges::all_of(results, &ExpectationResult::held);
}

}  // namespace cotenant
