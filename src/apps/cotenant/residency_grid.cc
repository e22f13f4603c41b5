#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/cotenant/edge_multiai.h"
#include "catalog/policy_rows.h"
#include "simulation/residency_bound.h"

namespace cotenant {
namespace {

constexpr std::int32_t kBudgets[] = {20, 30, 40, 60, 80};
constexpr std::int32_t kDeviations[] = {0, 10, 25, 50, 100, 200};
/// The bound is the mean over the first of the seeds: it takes a hundred times a policy's run.
constexpr std::uint64_t kBoundSeedsMax = 3;
constexpr std::string_view kOurs[] = {"marginal-value"};

struct Zoo {
  const char* name;
  std::vector<StudyApplication> applications;
};

struct Cell {
  const char* zoo = nullptr;
  LoadFamily family = LoadFamily::kPoisson;
  std::int32_t budget = 0;
  std::vector<PolicyMeans> learnt;  ///< By policy; ours first.
  PolicyMeans perfect;              ///< Ours, everything foretold.
  PointBound bound;
  std::int64_t ceiling = 0;
  const PolicyMeans* best = nullptr;  ///< Of the others.
  PairedDifference difference;        ///< Ours less that one.

  const PolicyMeans& ours() const { return learnt[0]; }
  /// How far the best that can be had may be above the bound: up to what was reached by anybody,
  /// with or without a forecast, in per cent of that.
  double gap() const {
    const double reached = std::min({perfect.penalty, ours().penalty, best->penalty});
    return 100 * (1 - bound.penalty / std::max(1e-9, reached));
  }
  const PolicyMeans& Of(std::string_view policy) const {
    return *std::ranges::find(learnt, policy, &PolicyMeans::policy);
  }
};

ResidencyPoint PointOf(const Zoo& zoo, LoadFamily family, std::int32_t budget) {
  ResidencyPoint point;
  point.zoo = zoo.applications;
  point.family = family;
  point.shortest = Duration::Seconds(20);
  point.lasts = Duration::Seconds(2'000);
  point.memory = Bytes(SumOfBest(zoo.applications).count() * budget / 100);
  point.window = Duration::Seconds(20);
  point.horizon = Duration::Seconds(60);
  return point;
}

SweepSeeds First(const SweepSeeds& seeds, std::uint64_t count) {
  SweepSeeds first = seeds;
  first.last = std::min(seeds.last, seeds.first + count - 1);
  return first;
}

void PlayCell(const Zoo& zoo, const SweepSeeds& seeds, Cell& cell) {
  ResidencyPoint point = PointOf(zoo, cell.family, cell.budget);
  cell.zoo = zoo.name;
  cell.learnt = PlayPoint(point, seeds, kResidencyNames);
  cell.bound = BoundPoint(point, First(seeds, kBoundSeedsMax));
  cell.ceiling = TenancyCeiling(point.zoo, point.memory);
  cell.best = &cell.learnt[1];
  for (std::size_t i = 2; i < cell.learnt.size(); ++i) {
    if (cell.learnt[i].penalty < cell.best->penalty) cell.best = &cell.learnt[i];
  }
  cell.difference = Paired(cell.ours().penalties, cell.best->penalties);
  point.deviation = 0;
  cell.perfect = PlayPoint(point, seeds, kOurs)[0];
}

void PrintCells(const std::vector<Cell>& cells) {
  std::printf(
      "\nGrid: mean penalty of a request, ms (lateness, at most 2 s, a failure costs that; 10 ms "
      "for\n"
      "a point of accuracy; 0.2 of a load's CPU time). bound: no policy can be below it;\n"
      "gap: what lies between it and the least that any policy reached, in per cent of that. ours "
      "-\nbest: against the best of the others in that cell, per cent, with the paired 95 %% "
      "interval.\n");
  const char* zoo = nullptr;
  for (const Cell& cell : cells) {
    if (cell.zoo != zoo) {
      zoo = cell.zoo;
      std::printf("\n%-21s", zoo);
      for (const PolicyMeans& means : cell.learnt) {
        std::printf(" %8.8s", means.policy.data());
      }
      std::printf("  perfect   bound  gap  ours - best\n");
    }
    std::printf("%-12s %6d %%", NameOf(cell.family).data(), cell.budget);
    for (const PolicyMeans& means : cell.learnt) std::printf(" %8.1f", means.penalty);
    const double unit = 100 / std::max(1e-9, cell.best->penalty);
    std::printf(" %8.1f %7.1f %4.0f  %+6.1f ± %.1f (%s)\n", cell.perfect.penalty,
                cell.bound.penalty, cell.gap(), unit * cell.difference.mean,
                unit * cell.difference.half, cell.best->policy.data());
  }
}

void PrintWarmth(const std::vector<Cell>& cells) {
  std::printf(
      "\nOf ours in each cell: requests not warm %% (none, the best of the others by penalty, "
      "ours, "
      "with\neverything foretold, bound); applications warm over time (none, ours, ceiling); "
      "points "
      "lost (mean,\nmean of those whose accuracies come from labels, of the others, worst "
      "application); loads, their CPU seconds; Jain of the warm shares\n");
  const char* zoo = nullptr;
  for (const Cell& cell : cells) {
    if (cell.zoo != zoo) {
      zoo = cell.zoo;
      std::printf(
          "\n%-21s   none  best  ours perfect bound | tenancy          | lost                      "
          "| loads"
          "   CPU s | Jain\n",
          zoo);
    }
    const PolicyMeans& ours = cell.ours();
    const PolicyMeans& none = cell.Of("none");
    std::printf(
        "%-12s %6d %% %6.1f %5.1f %5.1f %7.1f %5.1f | %4.1f %5.1f %5lld | %5.2f %6.2f %6.2f %6.2f "
        "| "
        "%5.0f %7.1f | %.3f\n",
        NameOf(cell.family).data(), cell.budget, 100 * none.not_warm, 100 * cell.best->not_warm,
        100 * ours.not_warm, 100 * cell.perfect.not_warm, 100 * cell.bound.not_warm, none.tenancy,
        ours.tenancy, static_cast<long long>(cell.ceiling), ours.points_lost, ours.labelled_lost,
        ours.stated_lost, ours.worst_lost, ours.loads, ours.load_cpu, ours.jain);
  }
}

/// "38 of 40", and what the worst one was.
struct Count {
  int held = 0;
  int all = 0;
  double sum = 0;
  double worst = 0;

  void Add(bool holds, double value, bool smaller_is_worse) {
    held += holds ? 1 : 0;
    worst = all == 0 ? value : smaller_is_worse ? std::min(worst, value) : std::max(worst, value);
    sum += value;
    ++all;
  }
  double mean() const { return all == 0 ? 0 : sum / all; }
};

void PrintGoal(const char* goal, const Count& count, const char* unit) {
  std::printf("  %-62s %3d of %3d cells; mean %.2f, worst %.2f %s\n", goal, count.held, count.all,
              count.mean(), count.worst, unit);
}

void PrintGoals(const std::vector<Cell>& cells) {
  Count tenancy, doubled, cold, lost, worst, better, learnt, perfect, greedy;
  for (const Cell& cell : cells) {
    const PolicyMeans& ours = cell.ours();
    const PolicyMeans& none = cell.Of("none");
    const double room = static_cast<double>(cell.ceiling) - none.tenancy;
    if (room > 0.5) {
      const double share = 100 * (ours.tenancy - none.tenancy) / room;
      tenancy.Add(share >= 80, share, true);
    }
    if (static_cast<double>(cell.ceiling) >= 2 * none.tenancy) {
      doubled.Add(ours.tenancy >= 2 * none.tenancy, ours.tenancy / none.tenancy, true);
    }
    const double reach = none.not_warm - cell.bound.not_warm;
    if (reach > 0.02) {
      const double share = 100 * (none.not_warm - ours.not_warm) / reach;
      cold.Add(share >= 70, share, true);
    }
    lost.Add(ours.points_lost <= 1, ours.points_lost, false);
    worst.Add(ours.worst_lost <= 3, ours.worst_lost, false);
    const double than_best = 100 * (ours.penalty / cell.best->penalty - 1);
    better.Add(than_best <= 5, than_best, false);
    learnt.Add(ours.penalty <= 1.4 * cell.bound.penalty, ours.penalty / cell.bound.penalty, false);
    perfect.Add(cell.perfect.penalty <= 1.15 * cell.bound.penalty,
                cell.perfect.penalty / cell.bound.penalty, false);
    const double than_greedy = 100 * (ours.penalty / cell.Of("greedy-dual").penalty - 1);
    greedy.Add(than_greedy <= 5, than_greedy, false);
  }
  std::printf("\nGoals, learnt forecasts unless said:\n");
  PrintGoal("tenancy at least 80 % of the way from none to the ceiling", tenancy, "%");
  PrintGoal("tenancy at least 2 x none, where the ceiling allows it", doubled, "x");
  PrintGoal("not warm at least 70 % of the way from none to the bound", cold, "%");
  PrintGoal("points lost at most 1, mean", lost, "points");
  PrintGoal("points lost at most 3, worst application", worst, "points");
  PrintGoal("penalty not over 5 % above the best of the others", better, "% above");
  PrintGoal("penalty not over 5 % above greedy-dual", greedy, "% above");
  PrintGoal("penalty at most 1.15 x the bound, everything foretold", perfect, "x");
  PrintGoal("penalty at most 1.4 x the bound", learnt, "x");
}

/// Every cell counts the same: the difference in per cent of the best of the others.
void PrintOverall(const std::vector<Cell>& cells) {
  const std::size_t seeds = cells[0].ours().penalties.size();
  std::vector<double> ours(seeds);
  std::vector<double> best(seeds);
  int wins = 0;
  for (const Cell& cell : cells) {
    const double unit = 100 / std::max(1e-9, cell.best->penalty);
    for (std::size_t i = 0; i < seeds; ++i) {
      ours[i] += unit * cell.ours().penalties[i] / static_cast<double>(cells.size());
      best[i] += unit * cell.best->penalties[i] / static_cast<double>(cells.size());
    }
    wins += cell.difference.mean + cell.difference.half < 0 ? 1 : 0;
  }
  const PairedDifference overall = Paired(ours, best);
  std::printf(
      "\nOurs against the best of the others in each cell: %+.1f ± %.1f %% over all cells; the "
      "whole\n"
      "interval below it in %d of %zu cells.\n",
      overall.mean, overall.half, wins, cells.size());
}

void PrintRobustness(const std::vector<Zoo>& zoos, const SweepSeeds& seeds) {
  std::printf(
      "\nRobustness: penalty when foretold times are off by so many per cent of the mean interval\n"
      "(Poisson loads, budget 40 %%)\n");
  constexpr std::string_view kCompared[] = {"marginal-value", "greedy-dual", "iws-bfe", "ws-bfe"};
  for (const Zoo& zoo : zoos) {
    std::printf("%-21s %8s %15s %12s %10s %10s\n", zoo.name, "off", kCompared[0].data(),
                kCompared[1].data(), kCompared[2].data(), kCompared[3].data());
    for (std::int32_t deviation : kDeviations) {
      ResidencyPoint point = PointOf(zoo, LoadFamily::kPoisson, 40);
      point.deviation = deviation;
      const std::vector<PolicyMeans> means = PlayPoint(point, seeds, kCompared);
      std::printf("%-21s %6d %% %15.1f %12.1f %10.1f %10.1f\n", "", deviation, means[0].penalty,
                  means[1].penalty, means[2].penalty, means[3].penalty);
    }
  }
}

nlohmann::ordered_json JsonOf(const Cell& cell) {
  nlohmann::ordered_json policies = nlohmann::ordered_json::array();
  for (const PolicyMeans& means : cell.learnt) {
    policies.push_back(nlohmann::ordered_json::parse(MeansJson(means)));
  }
  return {{"zoo", cell.zoo},
          {"load", NameOf(cell.family)},
          {"budget_percent", cell.budget},
          {"policies", std::move(policies)},
          {"perfect", nlohmann::ordered_json::parse(MeansJson(cell.perfect))},
          {"bound_penalty_ms", cell.bound.penalty},
          {"bound_gap_percent", cell.gap()},
          {"bound_not_warm", cell.bound.not_warm},
          {"tenancy_ceiling", cell.ceiling},
          {"ours_less_best_ms", cell.difference.mean},
          {"half_interval_ms", cell.difference.half}};
}

}  // namespace

std::string PlayResidencyGrid(const SweepSeeds& seeds, bool tuning) {
  const std::vector<Zoo> zoos = {{"prototype's zoo, twice", Repeated(AuthorsZoo(), 10)},
                                 {"measured networks", MeasuredZoo()}};
  const std::vector<LoadFamily> families =
      tuning ? std::vector<LoadFamily>(std::begin(kTuningFamilies), std::end(kTuningFamilies))
             : std::vector<LoadFamily>(std::begin(kReportedFamilies), std::end(kReportedFamilies));
  std::vector<Cell> cells(zoos.size() * families.size() * std::size(kBudgets));
  std::size_t next = 0;
  const bool shows = isatty(STDERR_FILENO) == 1;
  for (const Zoo& zoo : zoos) {
    for (LoadFamily family : families) {
      for (std::int32_t budget : kBudgets) {
        cells[next].family = family;
        cells[next].budget = budget;
        PlayCell(zoo, seeds, cells[next++]);
        if (shows) std::fprintf(stderr, "\r%zu of %zu cells", next, cells.size());
      }
    }
  }
  if (shows) std::fprintf(stderr, "\r                    \r");
  PrintCells(cells);
  PrintOverall(cells);
  PrintWarmth(cells);
  PrintGoals(cells);
  PrintRobustness(zoos, seeds);
  nlohmann::ordered_json grid = nlohmann::ordered_json::array();
  for (const Cell& cell : cells) grid.push_back(JsonOf(cell));
  return grid.dump();
}

}  // namespace cotenant
