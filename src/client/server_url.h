#pragma once

/// Where the server is. Resolving a name blocks.

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cotenant {

/// "http://HOST[:PORT][/PREFIX]", HOST a name, an IPv4 address or an IPv6 address in brackets.
struct ServerUrl {
  std::string host;  ///< Without brackets.
  std::uint16_t port = 80;
  std::string authority;  ///< As in the Host header.
  std::string prefix;     ///< Before "/v2": empty, or begins with '/' and does not end with it.
};
/// InvalidArgument says what was expected.
Result<ServerUrl> ParseServerUrl(std::string_view text);

struct ServerAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};
/// The first address that takes a connection; Unavailable when none does.
Result<ServerAddress> FindServer(const ServerUrl& url);

}  // namespace cotenant
