#include "policy/marginal_value.h"

#include <algorithm>

#include "policy/eviction.h"
#include "policy/fixed_exponential.h"

namespace cotenant {
namespace {

__extension__ using Wide = __int128;

/// A request that is foreseen can find its model loaded ahead, if there is room then: so much of a
/// cold start is charged for being out until shortly before, per million.
constexpr std::int32_t kForeseenRisk = 250'000;
/// Memory that is given to the nearest request serves most of them: one that is foreseen counts so
/// many times when it is due, and half of that a part of the window earlier.
constexpr std::int64_t kDueTimes = 10;
constexpr std::int64_t kHalvedBy = 20;
/// A cold start costs others too: its load holds up theirs, and takes memory that they must get
/// back. It counts so many times.
constexpr std::int64_t kColdTimes = 3;
/// What others lose is worth more than forecasts know: without need, a change that takes from them
/// must repay so many times its load; the less of it is foreseen the more, up to where this part of
/// the chance, per mille, is not.
constexpr std::int64_t kTakingLeast = 2;
constexpr std::int64_t kTakingMost = 10;
constexpr std::int64_t kUnforeseenMost = 500;
// All were set on the tuning loads of `cotenant reproduce edge-multiai`.

/// No worth is larger, so that sums stay exact.
constexpr Wide kWorthMax = Wide{1} << 56;

std::int64_t Limited(Wide worth) { return static_cast<std::int64_t>(std::min(worth, kWorthMax)); }

/// What being out of memory now risks, in cold starts, per million; more than one where a request
/// is foreseen shortly.
std::int64_t Risk(const ResidencyView& view, const ResidentModelView& model) {
  const RequestForecast& forecast = model.forecast;
  const std::int64_t until_then = std::int64_t{forecast.chance} * kForeseenRisk / kMillion;
  if (forecast.next == Instant::Max()) {
    if (model.wanted) return forecast.chance;
    return std::max<std::int64_t>(forecast.chance_unforeseen, until_then);
  }
  const std::int64_t foreseen = forecast.chance - forecast.chance_unforeseen;
  const std::int64_t half = std::max<std::int64_t>(1, view.window.nanoseconds() / kHalvedBy);
  const std::int64_t away = std::max<std::int64_t>(0, (forecast.next - view.now).nanoseconds());
  const auto near = static_cast<std::int64_t>(Wide{foreseen} * kDueTimes * half / (half + away));
  return std::max(forecast.chance_unforeseen + near, until_then);
}

}  // namespace

std::int64_t WorthOf(const ResidencyView& view, const ResidentModelView& model,
                     std::int32_t variant) {
  if (variant == kNoVariant || variant < model.smallest_allowed) return 0;
  const RequestForecast& forecast = model.forecast;
  const ResidentVariantView& least =
      model.variants[static_cast<std::size_t>(model.smallest_allowed)];
  const ResidentVariantView& kept = model.variants[static_cast<std::size_t>(variant)];
  const Duration late = model.cold_penalty + least.load_takes;
  const Wide cold = Wide{Risk(view, model)} * kColdTimes * late.nanoseconds() / kMillion;
  const Wide reload = Wide{forecast.chance} * least.load_takes.nanoseconds() / kMillion *
                      view.load_penalty_per_mille / 1'000;
  const Wide points = Wide{forecast.requests} * (kept.accuracy - least.accuracy) *
                      model.point_penalty.nanoseconds() / kMillion;
  return Limited(cold + reload + points);
}

std::int64_t LoadCost(const ResidencyView& view, const ResidentModelView& model,
                      std::int32_t variant) {
  if (variant == kNoVariant) return 0;
  const Duration takes = model.variants[static_cast<std::size_t>(variant)].load_takes;
  return Limited(Wide{takes.nanoseconds()} * view.load_penalty_per_mille *
                 view.load_weight_per_mille / 1'000'000);
}

std::int64_t TakingCost(const ResidencyView& view, const ResidentModelView& model,
                        std::int32_t variant) {
  const RequestForecast& forecast = model.forecast;
  const std::int64_t unforeseen =
      std::int64_t{forecast.chance_unforeseen} * 1'000 / std::max(1, forecast.chance);
  const std::int64_t times_per_mille =
      kTakingLeast * 1'000 + (kTakingMost - kTakingLeast) * 1'000 *
                                 std::min(unforeseen, kUnforeseenMost) / kUnforeseenMost;
  const Duration takes = model.variants[static_cast<std::size_t>(variant)].load_takes;
  return Limited(Wide{takes.nanoseconds()} * view.load_penalty_per_mille * times_per_mille /
                 1'000'000);
}

CheapestRoom::CheapestRoom(const ResidencyView& view, std::size_t asked) : view_(view) {
  for (std::size_t i = 0; i < view.models.size(); ++i) {
    if (MayGive(view, i, asked, true)) AddSteps(i);
  }
  // Steps of one model stay in their order: their loss per byte grows.
  std::ranges::stable_sort(steps_, [](const Step& a, const Step& b) {
    return Wide{a.loses} * b.frees.count() < Wide{b.loses} * a.frees.count();
  });
}

void CheapestRoom::AddSteps(std::size_t index) {
  const ResidentModelView& model = view_.models[index];
  const std::int64_t worth = WorthOf(view_, model, model.resident);
  const Bytes size = ResidentSize(model);
  const std::size_t first = states_.size();
  const auto add = [&](std::int32_t to) {
    const std::int64_t left =
        to == kNoVariant ? 0 : WorthOf(view_, model, to) - LoadCost(view_, model, to);
    const Bytes frees = size - SizeOf(model, to);
    if (frees > Bytes())
      states_.push_back({index, to, frees, std::max<std::int64_t>(0, worth - left)});
  };
  for (std::int32_t to = model.resident - 1; to >= model.smallest_allowed; --to) add(to);
  add(kNoVariant);
  // The lower hull of loss over freed bytes, from here outwards.
  Step from{index, model.resident, Bytes(), 0};
  for (std::size_t i = first; i < states_.size();) {
    std::size_t best = i;
    for (std::size_t j = i + 1; j < states_.size(); ++j) {
      const Wide best_loses = states_[best].loses - from.loses;
      const Wide loses = states_[j].loses - from.loses;
      const Bytes best_frees = states_[best].frees - from.frees;
      const Bytes frees = states_[j].frees - from.frees;
      if (loses * best_frees.count() <= best_loses * frees.count()) best = j;
    }
    const Step& to = states_[best];
    if (to.frees == from.frees) break;  // Of equal size: none frees more.
    steps_.push_back(
        {index, to.to, to.frees - from.frees, std::max<std::int64_t>(0, to.loses - from.loses)});
    from = to;
    i = best + 1;
  }
}

CheapestRoom::Room CheapestRoom::AlongTheHull(Bytes need,
                                              std::vector<ResidencyChange>& changes) const {
  Room room;
  std::vector<Step> taken;
  for (const Step& step : steps_) {
    if (room.freed >= need) break;
    room.freed += step.frees;
    room.loss += step.loses;
    const auto same = std::ranges::find(taken, step.model, &Step::model);
    if (same == taken.end()) {
      taken.push_back(step);
    } else {
      *same = {step.model, step.to, same->frees + step.frees, same->loses + step.loses};
    }
  }
  // What the last steps made superfluous stays, the dearest first.
  std::ranges::stable_sort(taken, std::ranges::greater(), &Step::loses);
  changes.clear();
  for (const Step& step : taken) {
    if (room.freed - step.frees >= need) {
      room.freed -= step.frees;
      room.loss -= step.loses;
    } else {
      changes.push_back({step.model, step.to});
    }
  }
  room.enough = room.freed >= need;
  return room;
}

CheapestRoom::Room CheapestRoom::Make(Bytes need, std::vector<ResidencyChange>& changes) const {
  changes.clear();
  if (need <= Bytes()) return {true, Bytes(), 0};
  const Room room = AlongTheHull(need, changes);
  const Step* single = nullptr;
  for (const Step& state : states_) {
    if (state.frees < need) continue;
    if (single == nullptr || state.loses < single->loses) single = &state;
  }
  if (single == nullptr || (room.enough && room.loss <= single->loses)) return room;
  changes.assign(1, {single->model, single->to});
  return {true, single->frees, single->loses};
}

}  // namespace cotenant
