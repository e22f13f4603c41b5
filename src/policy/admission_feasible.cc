#include <algorithm>

#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// Each step towards the smallest bound lets at least one more waiting request go first. Raise it
/// if refusals with thousands of waiting deadlines name bounds that are much too large.
constexpr int kStepsMax = 64;

/// Upwards, so that a bound written in milliseconds with three decimals is not below what was
/// computed.
constexpr Duration WholeMicroseconds(Duration span) {
  return Duration::Nanoseconds((span.nanoseconds() + 999) / 1'000 * 1'000);
}

class Feasible final : public AdmissionPolicy {
 public:
  std::string_view name() const override { return "feasible"; }
  std::string_view description() const override {
    return "refuses at once, or gives up while it waits, what by the estimates misses its bound";
  }
  PolicyProperties properties() const override { return {}; }
  bool gives_up() const override { return true; }

  AdmissionChoice Choose(const AdmissionView& request) const override {
    if (!request.estimated) return {true, AdmissionReason::kUnknown, {}};
    if (request.bound < request.fastest) {
      return {false, AdmissionReason::kBelowFastest, EarliestBound(request), request.fastest};
    }
    if (request.idle) return {true, AdmissionReason::kTaken, {}, request.fastest};
    const Duration finish = request.finish->For(request.bound);
    if (finish <= request.bound) return {true, AdmissionReason::kTaken, {}, finish};
    // Otherwise a model that was slow for a moment is refused for as long as others are busy.
    if (request.alone_when_stale > request.bound)
      return {true, AdmissionReason::kStale, {}, finish};
    return {false, AdmissionReason::kTooLate, EarliestBound(request), finish};
  }

 private:
  /// The least bound not below the one asked for with fastest <= bound and forecast(bound) <=
  /// bound. The forecast never falls with the bound, so going up arrives at the least one. (A
  /// shorter bound than the one refused might be taken under `edf`, by pushing others back: no
  /// answer to a client.)
  static Duration EarliestBound(const AdmissionView& request) {
    Duration bound = WholeMicroseconds(std::max(request.fastest, request.bound));
    if (request.idle) return bound;
    for (int step = 0; step < kStepsMax; ++step) {
      const Duration finish = request.finish->For(bound);
      if (finish <= bound) return bound;
      bound = WholeMicroseconds(finish);
    }
    // Behind everything that waits: never the least, always enough.
    return std::max(bound, WholeMicroseconds(request.finish->For(Duration::Max())));
  }
};

}  // namespace

const AdmissionPolicy& AdmissionFeasible() {
  static const Feasible policy;
  return policy;
}

}  // namespace cotenant
