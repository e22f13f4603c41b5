#pragma once

/// What gRPC counts of its own servers ("channelz"): read when somebody asks, a few microseconds
/// and some for each connection. Any thread.

#include <cstdint>

namespace cotenant {

struct ChannelFacts {
  std::uint64_t connections = 0;  ///< Open now.
  std::uint64_t calls_ended = 0;  ///< Since its start, those refused by gRPC itself included.
};

/// The number of the server that was made last in this process; 0 without one.
std::int64_t NewestServer();
/// All zero when there is no such server.
ChannelFacts ReadChannelFacts(std::int64_t server);

}  // namespace cotenant
