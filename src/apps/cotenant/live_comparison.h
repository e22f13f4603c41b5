#pragma once

/// `cotenant reproduce edge-multiai --live`: real networks, real servers, a real memory limit, and
/// beside each the simulated run of the same scenario; docs/reproduce-edge-multiai.md.

#include <cstdint>
#include <string>

#include "base/time.h"

namespace cotenant {

struct LiveOptions {
  std::string models;     ///< A repository.
  std::string cache_dir;  ///< Of prepared networks, for all servers; empty: as shipped.
  std::string data;       ///< Samples of each model, as `cotenant prepare` takes; may be empty.
  std::int64_t tenants = 10;
  Duration lasts = Duration::Seconds(180);            ///< All policies together.
  std::int64_t budget = 40;                           ///< Per cent of the sum of the best variants.
  Duration shortest = Duration::Milliseconds(1'000);  ///< Interval of the tenant that asks most.
  std::uint64_t seed = 1001;
  bool progress = false;
  std::string json;
};

/// Blocks for `lasts` and the time to start servers and measure the networks. The exit status.
int CompareLive(const LiveOptions& options);

}  // namespace cotenant
