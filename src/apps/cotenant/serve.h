#pragma once

/// `cotenant serve`: puts the node and its front ends together, and waits for signals.

#include <span>
#include <string>

#include "config/options.h"

namespace cotenant {

/// Blocks until a signal ends the server. Returns the program's exit status: 0 after a drain, 1
/// when it could not start or did not drain in time, 2 for wrong flags.
int Serve(Program program, std::span<const std::string> arguments);

/// "cotenant 0.1.0 (ONNX Runtime 1.32.0)".
std::string VersionLine();

}  // namespace cotenant
