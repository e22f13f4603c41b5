#pragma once

/// The page at `/` for people: what is served, in which state, how fast, and the address to curl.

#include <string>

#include "server/node.h"

namespace cotenant {

/// Appends the page, which needs nothing but itself.
void WritePage(const Node& node, std::string& out);

}  // namespace cotenant
