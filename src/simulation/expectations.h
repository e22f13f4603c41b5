#pragma once

/// Holds a scenario's expectations against what came out of playing it, live or simulated.

#include <vector>

#include "catalog/run_result.h"
#include "catalog/scenario.h"

namespace cotenant {

/// One for each expectation, in order. `result` is one of this scenario: its tenants are the
/// scenario's. An expectation on percentages or latencies of nothing does not hold.
std::vector<ExpectationResult> CheckExpectations(const Scenario& scenario, const RunResult& result);

bool AllHeld(const std::vector<ExpectationResult>& results);

}  // namespace cotenant
