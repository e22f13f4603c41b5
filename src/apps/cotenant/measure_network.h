#pragma once

/// The hidden command `measure-network`: one network, loaded and run in a process that does nothing
/// else, so that what its memory grows by is what the network takes. Prints the figures as JSON
/// (config/prepared_manifest.h). Started by `network_measurer.h`, and of no use to people.

#include <span>
#include <string>

namespace cotenant {

/// `arguments` are what follows the command's name. Returns the exit status.
int MeasureNetwork(std::span<const std::string> arguments);

}  // namespace cotenant
