#pragma once

/// GET /cotenant/v1/memory: the budget and its parts, the ledger by model, and the three meters
/// (allocator, process, cgroup), as JSON. Sizes are bytes.

#include <string>

#include "server/node.h"

namespace cotenant {

/// Reads files of /proc; some hundred microseconds.
void WriteMemory(const Node& node, std::string& out);

}  // namespace cotenant
