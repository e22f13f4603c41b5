#pragma once

/// A run's result for people: tables of text, the same for live and simulated runs.

#include <string>
#include <vector>

#include "catalog/run_result.h"

namespace cotenant {

/// Columns as wide as their widest cell; the first one is aligned to the left, the others to the
/// right. Cells of a row may be fewer than the header's.
std::string AlignedTable(const std::vector<std::vector<std::string>>& rows);

/// "12.3", "0.0456": milliseconds with three significant digits.
std::string MillisecondsText(double milliseconds);
/// "97.25", or "-" without a value.
std::string PercentText(const std::optional<std::int64_t>& thousandths);

/// Tenants, models, refusals by reason, errors and expectations. Wall facts are not in it.
std::string RunTables(const RunResult& result);

}  // namespace cotenant
