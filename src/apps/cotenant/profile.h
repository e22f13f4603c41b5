#pragma once

/// `cotenant profile MODELS_DIR`: measures the models of a repository and the node itself on this
/// machine, prints a table, and keeps the result for `serve`, scenarios and the simulator.

#include <span>
#include <string>

namespace cotenant {

/// Blocks until all is measured. The exit status: 0, 1 when a model or a file failed, 2 for wrong
/// arguments.
int Profile(std::span<const std::string> arguments);

}  // namespace cotenant
