#pragma once

/// Where Cotenant keeps what it measured and learnt on this machine.

#include <filesystem>

namespace cotenant {

/// $XDG_STATE_HOME/cotenant; else /var/lib/cotenant for root, ~/.local/state/cotenant for others.
/// Empty when there is neither. The folder need not exist.
std::filesystem::path DefaultStateDir();

/// $XDG_CACHE_HOME/cotenant; else /var/cache/cotenant for root, ~/.cache/cotenant for others: what
/// can be made again. Empty when there is neither. The folder need not exist.
std::filesystem::path DefaultCacheDir();

}  // namespace cotenant
