#pragma once

/// What a live comparison came to: who was compared, and its tables and JSON.

#include <cstdint>
#include <string>
#include <vector>

#include "apps/cotenant/live_comparison.h"
#include "apps/cotenant/live_models.h"
#include "apps/cotenant/live_server.h"
#include "catalog/run_result.h"

namespace cotenant {

enum class LiveChoice : unsigned char { kAll, kBest, kSmallest };

struct LiveContestant {
  const char* name;
  const char* residency;
  LiveChoice choice;
};
inline constexpr LiveContestant kLiveContestants[] = {
    {"marginal-value", "marginal-value", LiveChoice::kAll},
    {"greedy-dual", "greedy-dual", LiveChoice::kAll},
    {"lru, best variants", "lru", LiveChoice::kBest},
    {"lru, smallest variants", "lru", LiveChoice::kSmallest},
};

struct LiveOutcome {
  RunResult live;
  RunResult simulated;
  LiveMemoryFacts before;
  LiveMemoryFacts after;
  Bytes total;
  std::int64_t kills = -1;
};

/// The one network that a contestant has of a model; null: several.
const LiveVariant* OnlyOne(const LiveModel& model, LiveChoice choice);

/// The networks, the outcomes in the order of the contestants, and the goal.
std::string LiveTables(const std::vector<LiveModel>& models,
                       const std::vector<LiveOutcome>& outcomes);
std::string LiveJson(const std::vector<LiveModel>& models, const std::vector<LiveOutcome>& outcomes,
                     const LiveOptions& options);

}  // namespace cotenant
