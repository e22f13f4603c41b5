#pragma once

/// `cotenant load`: plays a scenario's load against a running server.

#include <span>
#include <string>

namespace cotenant {

/// Blocks until the load is over or a signal ends it. Returns the program's exit status: 0; 1 when
/// the server cannot be asked, nothing was answered, or with --expect an expectation did not hold;
/// 2 for wrong flags or a wrong scenario.
int Load(std::span<const std::string> arguments);

}  // namespace cotenant
