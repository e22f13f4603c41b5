#pragma once

/// What no policy can do better than, with everything known beforehand: a lower bound of the mean
/// penalty of a request, or of the requests that are not warm.
///
/// A Lagrangian relaxation. Memory gets a price for each span between requests and the moments at
/// which their loads must begin; at given prices
/// the applications no longer meet, and each one's cheapest plan (keep a variant until the next
/// request, load one in time, load it late, serve nothing) is found exactly by dynamic programming.
/// What that costs, less what the whole memory is worth, is below every possible schedule at any
/// prices (weak duality); a subgradient ascent looks for prices that bring it up. Loads take time
/// and memory while they last, and their CPU time counts. Ignored: that loads come one after
/// another; what both variants of a change need together; a request that waits behind a load for an
/// earlier one is not late. Where prices are not yet best the bound is lower than it could be,
/// never too high.

#include <span>

#include "simulation/residency_study.h"

namespace cotenant {

enum class BoundOf : unsigned char {
  kPenalty,  ///< Mean penalty of a request in milliseconds.
  kNotWarm,  ///< Share of the requests that are cold or fail.
};

/// `reached`: what some policy reached, in the same unit; only steers how fast prices rise.
double ResidencyBound(BoundOf what, std::span<const StudyApplication> applications, Bytes memory,
                      Duration lasts, const StudyPenalties& penalties, double reached,
                      int rounds = 150);

/// The most applications that can have their smallest allowed variant in memory together.
std::int64_t TenancyCeiling(std::span<const StudyApplication> applications, Bytes memory);

}  // namespace cotenant
