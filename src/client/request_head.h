#pragma once

/// Writes the heads of inference requests. What never changes for a model is put together once.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "catalog/scenario.h"
#include "client/server_url.h"

namespace cotenant {

/// Tenant and bound go as headers, so that the bodies are the same for all requests of a model.
class RequestHeads {
 public:
  RequestHeads(const Scenario& scenario, const ServerUrl& url, bool send_tenants, bool send_bounds);

  /// Valid until the next call. `bound` zero: none.
  std::string_view Write(std::size_t model, std::size_t tenant, Duration bound,
                         std::size_t json_size, std::size_t body_size);

 private:
  std::vector<std::string> by_model_;
  std::vector<std::string> by_tenant_;  ///< A whole header, or nothing.
  bool send_bounds_;
  std::string text_;
};

}  // namespace cotenant
