#pragma once

/// `cotenant policies`: every policy with what it does, what it declares and where it comes from.

#include <span>
#include <string>

namespace cotenant {

/// The exit status. Prints to standard output.
int Policies(std::span<const std::string> arguments);

}  // namespace cotenant
