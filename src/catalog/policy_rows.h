#pragma once

/// Every policy's row: its name in files, flags and traces, and the function that gives it.
///
/// The one place where a new policy is listed. It lies in catalog/ because the readers of
/// configuration accept the names without knowing any policy; policy/policy_table.h declares the
/// functions and finds the objects.

#include <array>
#include <string_view>

/// ROW(name, function) for each, in the order in which people see them; the default comes first.
#define COTENANT_DISPATCH_POLICIES(ROW)      \
  ROW("edf", DispatchEdf)                    \
  ROW("fifo", DispatchFifo)                  \
  ROW("weighted-fair", DispatchWeightedFair) \
  ROW("least-slack", DispatchLeastSlack)     \
  ROW("shortest-first", DispatchShortestFirst)

#define COTENANT_BATCHING_POLICIES(ROW) \
  ROW("none", BatchingNone)             \
  ROW("window", BatchingWindow)         \
  ROW("deadline-aware", BatchingDeadlineAware)

#define COTENANT_ADMISSION_POLICIES(ROW) \
  ROW("feasible", AdmissionFeasible)     \
  ROW("all", AdmissionAll)

#define COTENANT_RESIDENCY_POLICIES(ROW)          \
  ROW("marginal-value", ResidencyMarginalValue)   \
  ROW("none", ResidencyNone)                      \
  ROW("smallest-static", ResidencySmallestStatic) \
  ROW("lru", ResidencyLru)                        \
  ROW("lfe", ResidencyLfe)                        \
  ROW("bfe", ResidencyBfe)                        \
  ROW("ws-bfe", ResidencyWsBfe)                   \
  ROW("iws-bfe", ResidencyIwsBfe)                 \
  ROW("greedy-dual", ResidencyGreedyDual)

#define COTENANT_PREDICTION_POLICIES(ROW)      \
  ROW("histogram", PredictionHistogram)        \
  ROW("bayesian", PredictionBayesian)          \
  ROW("last-interval", PredictionLastInterval) \
  ROW("exponential-average", PredictionExponentialAverage)

namespace cotenant {

/// The choice of batching that is no policy of its own: as each model's configuration says.
inline constexpr std::string_view kBatchingAsModel = "model";

#define COTENANT_POLICY_NAME(name, function) std::string_view(name),
inline constexpr std::array kDispatchNames = {COTENANT_DISPATCH_POLICIES(COTENANT_POLICY_NAME)};
inline constexpr std::array kBatchingNames = {kBatchingAsModel,
                                              COTENANT_BATCHING_POLICIES(COTENANT_POLICY_NAME)};
inline constexpr std::array kAdmissionNames = {COTENANT_ADMISSION_POLICIES(COTENANT_POLICY_NAME)};
inline constexpr std::array kResidencyNames = {COTENANT_RESIDENCY_POLICIES(COTENANT_POLICY_NAME)};
inline constexpr std::array kPredictionNames = {COTENANT_PREDICTION_POLICIES(COTENANT_POLICY_NAME)};
#undef COTENANT_POLICY_NAME

}  // namespace cotenant
