#pragma once

/// `cotenant simulate SCENARIO`, and `cotenant simulate --replay LOG`.

#include <span>
#include <string>

namespace cotenant {

/// `arguments` are those after the command's name. The exit status: 0; 1 when a check, an
/// expectation or a replay failed; 2 for wrong use.
int Simulate(std::span<const std::string> arguments);

}  // namespace cotenant
