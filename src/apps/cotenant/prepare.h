#pragma once

/// `cotenant prepare`: forms of each network that load faster or take less, into the cache.

#include <span>
#include <string>

namespace cotenant {

/// `arguments` are what follows the command's name. Returns the exit status.
int Prepare(std::span<const std::string> arguments);

}  // namespace cotenant
