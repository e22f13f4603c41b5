#pragma once

/// `cotenant fit`: what of a repository fits into how much memory, before anything is served.

#include <span>
#include <string>

namespace cotenant {

int Fit(std::span<const std::string> arguments);

}  // namespace cotenant
