#include "apps/cotenant/residency_sweeps.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <thread>

#include "policy/policy_table.h"
#include "simulation/residency_bound.h"

namespace cotenant {
namespace {

bool IsOfThePaper(std::string_view policy) {
  return policy == "lfe" || policy == "bfe" || policy == "ws-bfe" || policy == "iws-bfe";
}

std::vector<StudyApplication> Drawn(const ResidencyPoint& point, std::uint64_t seed) {
  std::vector<StudyApplication> applications = point.zoo;
  DrawRequests(point.family, seed, point.shortest, point.lasts, applications);
  if (point.deviation >= 0) Foretell(point.deviation, ~seed, point.lasts, applications);
  return applications;
}

StudyResult Play(const ResidencyPoint& point, std::string_view policy,
                 std::span<const StudyApplication> applications) {
  StudySettings settings;
  settings.policy = FindResidency(policy).value();
  if (point.deviation < 0) {
    settings.prediction = IsOfThePaper(policy) ? &PredictionBayesian() : &PredictionHistogram();
  }
  settings.memory = point.memory;
  settings.window = point.window;
  settings.horizon = point.horizon;
  settings.lasts = point.lasts;
  settings.penalties = point.penalties;
  return StudyResidency(settings, applications);
}

/// Calls `work(i)` for every seed's place.
void ForEachSeed(const SweepSeeds& seeds, const std::function<void(std::size_t)>& work) {
  const auto count = static_cast<std::size_t>(seeds.last - seeds.first + 1);
  std::atomic<std::size_t> next = 0;
  const auto take = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> others;
  for (std::int64_t i = 1; i < seeds.threads; ++i) others.emplace_back(take);
  take();
  for (std::thread& other : others) other.join();
}

void Add(const StudyResult& result, const StudyPenalties& penalties, double share,
         PolicyMeans& means) {
  means.not_warm += share * result.not_warm_share();
  means.failed += share * static_cast<double>(result.all.failed) /
                  static_cast<double>(std::max<std::int64_t>(1, result.all.requests));
  means.error += share * result.mean_error();
  means.points_lost += share * result.all.mean_points_lost();
  means.labelled_lost += share * result.labelled.mean_points_lost();
  means.stated_lost += share * result.stated.mean_points_lost();
  means.worst_lost += share * result.worst_points_lost();
  means.tenancy += share * result.tenancy_mean;
  means.tenancy_max += share * static_cast<double>(result.tenancy_max);
  means.loads += share * static_cast<double>(result.loads);
  means.load_cpu += share * result.load_cpu.seconds();
  means.jain += share * result.jain();
  means.penalty += share * result.penalty_ms(penalties);
  means.penalties.push_back(result.penalty_ms(penalties));
}

}  // namespace

std::vector<PolicyMeans> PlayPoint(const ResidencyPoint& point, const SweepSeeds& seeds,
                                   std::span<const std::string_view> policies) {
  const auto count = static_cast<std::size_t>(seeds.last - seeds.first + 1);
  std::vector<std::vector<StudyResult>> results(count);
  ForEachSeed(seeds, [&](std::size_t i) {
    const std::vector<StudyApplication> applications = Drawn(point, seeds.first + i);
    for (std::string_view policy : policies) {
      results[i].push_back(Play(point, policy, applications));
    }
  });
  std::vector<PolicyMeans> means(policies.size());
  for (std::size_t p = 0; p < policies.size(); ++p) {
    means[p].policy = policies[p];
    for (const std::vector<StudyResult>& of_seed : results) {
      Add(of_seed[p], point.penalties, 1 / static_cast<double>(count), means[p]);
    }
  }
  return means;
}

PointBound BoundPoint(const ResidencyPoint& point, const SweepSeeds& seeds) {
  const auto count = static_cast<std::size_t>(seeds.last - seeds.first + 1);
  std::vector<PointBound> bounds(count);
  ResidencyPoint foreseen = point;
  foreseen.deviation = 0;
  ForEachSeed(seeds, [&](std::size_t i) {
    const std::vector<StudyApplication> applications = Drawn(foreseen, seeds.first + i);
    const StudyResult reached = Play(foreseen, "marginal-value", applications);
    const auto bound = [&](BoundOf what, double by_policy) {
      return ResidencyBound(what, applications, point.memory, point.lasts, point.penalties,
                            by_policy, 80);
    };
    bounds[i].penalty = bound(BoundOf::kPenalty, reached.penalty_ms(point.penalties));
    bounds[i].not_warm = bound(BoundOf::kNotWarm, reached.not_warm_share());
  });
  PointBound mean;
  for (const PointBound& bound : bounds) {
    mean.penalty += bound.penalty / static_cast<double>(count);
    mean.not_warm += bound.not_warm / static_cast<double>(count);
  }
  return mean;
}

PairedDifference Paired(std::span<const double> a, std::span<const double> b) {
  const auto count = static_cast<double>(a.size());
  PairedDifference difference;
  for (std::size_t i = 0; i < a.size(); ++i) difference.mean += (a[i] - b[i]) / count;
  if (a.size() < 2) return difference;
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = a[i] - b[i] - difference.mean;
    squares += off * off;
  }
  // Student's t for 95 %: exact enough from 20 seeds on.
  const double t = 1.96 + 2.5 / (count - 1);
  difference.half = t * std::sqrt(squares / (count - 1) / count);
  return difference;
}

}  // namespace cotenant
