#pragma once

/// The experiments of `cotenant reproduce edge-multiai`: each point plays the same drawn requests
/// under every policy, over many seeds, on as many threads as asked for. The result does not depend
/// on how many.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "simulation/residency_cases.h"

namespace cotenant {

struct ResidencyPoint {
  std::vector<StudyApplication> zoo;  ///< Requests are drawn.
  LoadFamily family = LoadFamily::kPoisson;
  Duration shortest;  ///< Mean interval of the application that is asked most.
  Duration lasts;
  Bytes memory;
  Duration window;
  Duration horizon;
  /// How far what is foretold is off, in per cent of the mean interval; negative: learnt instead,
  /// by the Bayesian predictor for the paper's four policies, by the histogram for the others.
  std::int32_t deviation = -1;
  StudyPenalties penalties;
};

/// Of one policy, over the seeds.
struct PolicyMeans {
  std::string_view policy;
  double not_warm = 0;  ///< Shares of the requests.
  double failed = 0;
  double error = 0;        ///< Points, of 100.
  double points_lost = 0;  ///< Points, against the best variants.
  double worst_lost = 0;
  double labelled_lost = 0;  ///< Of the applications whose accuracies come from labels.
  double stated_lost = 0;    ///< Of the others.
  double tenancy = 0;
  double tenancy_max = 0;
  double loads = 0;
  double load_cpu = 0;  ///< Seconds.
  double jain = 0;
  double penalty = 0;             ///< Milliseconds a request.
  std::vector<double> penalties;  ///< Of each seed.
};

struct SweepSeeds {
  std::uint64_t first = 1001;
  std::uint64_t last = 1020;
  std::int64_t threads = 1;
};

/// In the order of the table of policies: ours first.
std::vector<PolicyMeans> PlayPoint(const ResidencyPoint& point, const SweepSeeds& seeds,
                                   std::span<const std::string_view> policies);

/// Lower bounds: means over the seeds.
struct PointBound {
  double penalty = 0;
  double not_warm = 0;
};
PointBound BoundPoint(const ResidencyPoint& point, const SweepSeeds& seeds);

/// The mean of the paired differences a - b, and half of its 95 % interval.
struct PairedDifference {
  double mean = 0;
  double half = 0;
};
PairedDifference Paired(std::span<const double> a, std::span<const double> b);

}  // namespace cotenant
