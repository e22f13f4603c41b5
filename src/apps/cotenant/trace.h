#pragma once

/// `cotenant trace`: what came in while logs were recorded, as a trace and a scenario that play it
/// again under other policies.

#include <span>
#include <string>

namespace cotenant {

/// Returns the program's exit status.
int Trace(std::span<const std::string> arguments);

}  // namespace cotenant
