#include "apps/cotenant/fit_plan.h"

#include <algorithm>
#include <functional>

#include "scheduler/scheduler.h"
#include "simulation/simulator.h"

namespace cotenant {
namespace {

/// Points of the curve between the smallest budget and the one that holds all.
constexpr std::int64_t kSteps = 6;
constexpr Bytes kBudgetMax = Bytes::MiB(1 << 20);

Bytes GreatestPeak(const ModelProfile& profile) {
  Bytes peak;
  for (const RunTimes& run : profile.runs) peak = std::max(peak, run.peak);
  return peak;
}

FittedModel Fitted(const std::string& name, const ModelProfile& profile) {
  FittedModel fitted;
  fitted.name = name;
  fitted.size = profile.mapped + profile.anonymous;
  fitted.run_peak = GreatestPeak(profile);
  fitted.load = profile.load.empty() ? Duration() : profile.load.Median();
  fitted.load_peak = std::max(fitted.size, profile.load_peak);
  return fitted;
}

/// As the scheduler counts: the greatest peaks, one for each slot.
Bytes PeaksOf(std::vector<Bytes> peaks, std::int32_t slots) {
  const Bytes least = SchedulerSettings().run_peak_floor;
  for (Bytes& peak : peaks) peak = std::max(peak, least);
  std::ranges::sort(peaks, std::greater<>());
  peaks.resize(static_cast<std::size_t>(slots), least);
  Bytes sum;
  for (const Bytes peak : peaks) sum += peak;
  return sum;
}

/// Of its load alone, as the scheduler asks for it before the load begins.
Bytes RoomToLoad(const FittedModel& model, std::int32_t slots) {
  const Bytes loaded = model.size + PeaksOf({model.run_peak}, slots);
  return std::max(loaded, model.load_peak + PeaksOf({}, slots));
}

/// Of all models together, whichever is loaded last.
Bytes RoomForAll(const std::vector<FittedModel>& models, std::int32_t slots) {
  std::vector<Bytes> peaks;
  Bytes sum;
  for (const FittedModel& model : models) {
    peaks.push_back(model.run_peak);
    sum += model.size;
  }
  Bytes room = sum + PeaksOf(peaks, slots);
  for (std::size_t i = 0; i < models.size(); ++i) {
    std::vector<Bytes> others = peaks;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    room = std::max(room, sum - models[i].size + models[i].load_peak + PeaksOf(others, slots));
  }
  return room;
}

FittedBudget Play(Scenario scenario, const MemoryBudget& budget, std::uint64_t seed) {
  scenario.device.memory = budget.models;
  SimulatorOptions options;
  options.seed = seed;
  options.checked = false;
  return {budget, Simulator(scenario, options).Run().result};
}

}  // namespace

Bytes BudgetFor(MemoryNeeds needs, Bytes models) {
  const auto enough = [&](Bytes total) {
    needs.total = total;
    const Result<MemoryBudget> budget = DivideMemory(needs);
    return budget.ok() && budget->models >= models;
  };
  Bytes low;
  Bytes high = kBudgetMax;
  while (low + Bytes(1) < high) {
    const Bytes middle((low.count() + high.count()) / 2);
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

Result<FitReport> PlanFit(const Scenario& scenario, const MemoryNeeds& needs, std::uint64_t seed) {
  Result<MemoryBudget> asked = DivideMemory(needs);
  COTENANT_RETURN_IF_ERROR(asked.status());
  FitReport report;
  const std::int32_t slots = scenario.device.slots;
  for (const ScenarioModel& model : scenario.models) {
    FittedModel fitted = Fitted(model.name, model.profile);
    Bytes room = RoomToLoad(fitted, slots);
    for (const ScenarioVariant& variant : model.variants) {
      if (variant.accuracy < model.accuracy_min) continue;
      room = std::min(room, RoomToLoad(Fitted(variant.name, variant.profile), slots));
    }
    fitted.budget_min = BudgetFor(needs, room);
    report.budget_min = std::max(report.budget_min, fitted.budget_min);
    report.sum += fitted.size;
    report.models.push_back(std::move(fitted));
  }
  report.budget_all_warm = BudgetFor(needs, RoomForAll(report.models, slots));
  report.asked = Play(scenario, *asked, seed);
  const Bytes span = report.budget_all_warm - report.budget_min;
  for (std::int64_t step = 0; step <= kSteps; ++step) {
    MemoryNeeds then = needs;
    then.total = report.budget_min + Bytes(span.count() * step / kSteps);
    const Result<MemoryBudget> budget = DivideMemory(then);
    if (budget.ok()) report.curve.push_back(Play(scenario, *budget, seed));
    if (span == Bytes()) break;
  }
  return report;
}

}  // namespace cotenant
