#pragma once

/// Single GET requests, each over a connection of its own: what is asked before load begins.

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "client/server_url.h"

namespace cotenant {

struct HttpAnswer {
  int status = 0;
  std::string body;  ///< The first 16 MiB.
};

/// Blocks for at most `timeout`. Unavailable when there is no whole answer.
Result<HttpAnswer> HttpGet(const ServerUrl& url, const ServerAddress& address,
                           std::string_view path, Duration timeout);

/// Asks for readiness until it is given, or fails with the last answer.
Status AwaitReady(const ServerUrl& url, const ServerAddress& address, Duration timeout);

}  // namespace cotenant
