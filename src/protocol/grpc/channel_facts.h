#pragma once

/// What gRPC counts of its own servers ("channelz"): read when somebody asks, a few microseconds
/// and some for each connection. Any thread.

#include <cstdint>

namespace cotenant {

/// The number of the server that was made last in this process; 0 without one.
std::int64_t NewestServer();
/// Zero when there is no such server.
std::uint64_t OpenConnections(std::int64_t server);

}  // namespace cotenant
