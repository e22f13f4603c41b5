#pragma once

/// `cotenant compare`: two result files side by side.

#include <span>
#include <string>

namespace cotenant {

/// Returns the program's exit status: 0; 1 when a file cannot be written; 2 for wrong flags or
/// files that are no results.
int Compare(std::span<const std::string> arguments);

}  // namespace cotenant
