#pragma once

/// Residency alone, in virtual time: applications with variants, requests and a memory that does
/// not hold them all, under the same policy objects that the server asks.
///
/// What is simulated: requests, windows before and after expected ones, and loads, which take
/// device time one after another; those that requests wait for go first. Running a network takes
/// no time here. A change keeps the old variant usable until the new one is loaded where memory
/// allows both, else it goes at once. A request is warm if on arrival an allowed variant is usable;
/// it waits while another load is under way, and fails when nothing can be made to fit then.
/// Deterministic: no chance, no libm; the means of the result are the only floating point.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "policy/prediction.h"
#include "policy/residency.h"

namespace cotenant {

struct StudyApplication {
  std::string name;
  std::vector<ResidentVariantView> variants;  ///< Ascending in size.
  std::int32_t smallest_allowed = 0;
  bool by_labels = false;         ///< Its accuracies were measured with labels, not stated.
  std::vector<Instant> requests;  ///< Ascending.
  /// Without a predictor: when they are expected, one for each request, in any order.
  std::vector<Instant> foretold;
};

/// What a request costs: the objective. Lateness counts up to its maximum, a failure costs that.
struct StudyPenalties {
  Duration lateness_max = Duration::Seconds(2);
  Duration point = Duration::Milliseconds(10);  ///< For each point of accuracy lost.
  std::int32_t load_per_mille = 200;            ///< For each second of a load's CPU time.
};

struct StudyDecision {
  Instant at;
  std::size_t application = 0;
  const ResidencyPlan& plan;
};

struct StudySettings {
  const ResidencyPolicy* policy = nullptr;
  /// Null: requests are expected when foretold.
  const PredictionPolicy* prediction = nullptr;
  Bytes memory;
  Duration window;
  Duration horizon;
  Duration lasts;
  StudyPenalties penalties;
  /// Told of every answer of `Procure`. Empty: nobody.
  std::function<void(const StudyDecision&)> observe;
};

struct StudyTally {
  std::int64_t requests = 0;
  std::int64_t warm = 0;
  std::int64_t failed = 0;       ///< The rest of those not warm is cold.
  std::int64_t points_lost = 0;  ///< Against the best variant, in thousandths, over those served.
  std::int64_t error = 0;        ///< 100 points less the accuracy, likewise.

  std::int64_t served() const { return requests - failed; }
  std::int64_t cold() const { return served() - warm; }
  double mean_points_lost() const;  ///< Points.
  StudyTally& operator+=(const StudyTally& other);
};

struct StudyResult {
  StudyTally all;
  StudyTally labelled;  ///< Of the applications whose accuracies were measured with labels.
  StudyTally stated;    ///< Of the others.
  std::vector<StudyTally> applications;
  Duration late;  ///< Sum, each at most the maximum; failures included.
  std::int64_t loads = 0;
  Duration load_cpu;
  double tenancy_mean = 0;  ///< Applications with an allowed variant usable, over time.
  std::int64_t tenancy_max = 0;
  bool forecasts_were_poor = false;  ///< At the end.

  double warm_share() const;
  double not_warm_share() const { return 1 - warm_share(); }
  double mean_error() const;         ///< Points.
  double worst_points_lost() const;  ///< Of the application that lost most on average.
  double jain() const;               ///< Of the applications' warm shares; 1 is fair.
  /// Mean penalty of a request, in milliseconds of lateness.
  double penalty_ms(const StudyPenalties& penalties) const;
};

/// `applications` must outlive the call. Every request within `lasts` ends.
StudyResult StudyResidency(const StudySettings& settings,
                           std::span<const StudyApplication> applications);

}  // namespace cotenant
