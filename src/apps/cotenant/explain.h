#pragma once

/// `cotenant explain LOG --request ID`: one request's life, told from an event log.

#include <span>
#include <string>

namespace cotenant {

/// The exit status: 1 when the log holds no such request.
int Explain(std::span<const std::string> arguments);

}  // namespace cotenant
