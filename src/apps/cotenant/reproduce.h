#pragma once

/// `cotenant reproduce edge-multiai`: the paper's sweeps and the grid of budgets, zoos and loads,
/// played in virtual time under every residency policy; docs/reproduce-edge-multiai.md.

#include <span>
#include <string>

namespace cotenant {

/// The exit status: 0; 1 when a file cannot be written; 2 for wrong use.
int Reproduce(std::span<const std::string> arguments);

}  // namespace cotenant
