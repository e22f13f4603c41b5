#include "simulation/random_script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "simulation/checker.h"

namespace cotenant {
namespace {

/// As many as asked for by COTENANT_SEEDS, for a longer search; not fewer than `least`.
std::uint64_t Seeds(std::uint64_t least) {
  const char* const asked = std::getenv("COTENANT_SEEDS");
  return asked == nullptr ? least
                          : std::max<std::uint64_t>(least, std::strtoull(asked, nullptr, 10));
}

struct Recorded {
  Instant now;
  std::vector<Event> events;
};

struct Played {
  std::vector<std::string> violations;
  std::uint64_t digest = 0;
  std::uint64_t starts = 0;
  std::uint64_t batched = 0;
  std::uint64_t inline_starts = 0;
  std::uint64_t evictions = 0;
  std::uint64_t cold = 0;
  std::uint64_t never_fits = 0;
  std::uint64_t no_room = 0;
  std::uint64_t load_failed = 0;
  std::uint64_t not_accurate = 0;
  std::uint64_t variant_starts = 0;
  std::uint64_t stopped_loads = 0;
  std::uint64_t loads_given_up = 0;
  std::uint64_t tenant_memory = 0;
  EndCounts ends;
  std::vector<Recorded> log;

  /// Sums of what the tests look at.
  void Add(const Played& other) {
    ends.replied += other.ends.replied;
    evictions += other.evictions;
    cold += other.cold;
    never_fits += other.never_fits;
    no_room += other.no_room;
    load_failed += other.load_failed;
    not_accurate += other.not_accurate;
    variant_starts += other.variant_starts;
    stopped_loads += other.stopped_loads;
    loads_given_up += other.loads_given_up;
    tenant_memory += other.tenant_memory;
  }
  void Count(const ActionList& actions) {
    for (const Action& action : actions.actions) {
      if (std::holds_alternative<StartEvict>(action)) ++evictions;
      if (std::holds_alternative<StopLoad>(action)) ++stopped_loads;
      const auto* const start = std::get_if<StartRun>(&action);
      if (start != nullptr && ToIndex(start->model) >= 5) ++variant_starts;
      const auto* const reply = std::get_if<Reply>(&action);
      if (reply != nullptr && reply->cold) ++cold;
      const auto* const reject = std::get_if<Reject>(&action);
      if (reject == nullptr) continue;
      if (reject->reason == RejectReason::kNeverFits) ++never_fits;
      if (reject->reason == RejectReason::kNoRoom) ++no_room;
      if (reject->reason == RejectReason::kLoadFailed) ++load_failed;
      if (reject->reason == RejectReason::kNotAccurate) ++not_accurate;
      if (reject->reason == RejectReason::kTenantMemory) ++tenant_memory;
    }
  }
};

Played Play(std::uint64_t seed, const SimulationSettings& settings) {
  SimulatedNode node(settings);
  Checker checker(settings.scheduler);
  Played played;
  node.Observe([&](Instant now, std::span<const Event> events, const ActionList& actions) {
    checker.Crank(now, events, actions);
    checker.Ledger(node.scheduler().Memory());
    played.Count(actions);
    for (const Event& event : events) {
      const auto* const failed = std::get_if<LoadFailed>(&event);
      if (failed != nullptr && failed->code == Code::kCancelled) ++played.loads_given_up;
    }
    played.log.push_back({now, {events.begin(), events.end()}});
  });
  PlanRandomScript(settings, seed, node);
  node.Run();
  played.ends = node.scheduler().Ends();
  checker.Finish(played.ends);
  played.violations = checker.violations();
  played.digest = checker.digest();
  played.starts = checker.starts();
  played.batched = checker.batched();
  played.inline_starts = checker.inline_starts();
  return played;
}

TEST(RandomScripts, KeepEveryInvariantUnder200Seeds) {
  EndCounts all;
  std::uint64_t batched = 0;
  std::uint64_t inline_starts = 0;
  for (std::uint64_t seed = 1; seed <= Seeds(200); ++seed) {
    const Played played = Play(seed, RandomSettings(seed));
    EXPECT_EQ(played.violations, std::vector<std::string>{}) << "seed " << seed;
    all.replied += played.ends.replied;
    all.rejected += played.ends.rejected;
    all.expired += played.ends.expired;
    all.cancelled += played.ends.cancelled;
    all.failed += played.ends.failed;
    batched += played.batched;
    inline_starts += played.inline_starts;
  }
  // The scripts must reach what they are to test.
  EXPECT_GT(all.replied, 10'000U);
  EXPECT_GT(all.rejected, 1'000U);
  EXPECT_GT(all.expired, 500U);
  EXPECT_GT(all.cancelled, 1'000U);
  EXPECT_GT(all.failed, 500U);
  EXPECT_GT(batched, 500U);
  EXPECT_GT(inline_starts, 1'000U);
}

/// Plays each seed, expects that no rule is broken, and sums up.
Played PlayAll(std::uint64_t seeds, SimulationSettings (*settings)(std::uint64_t)) {
  Played all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Played played = Play(seed, settings(seed));
    EXPECT_EQ(played.violations, std::vector<std::string>{}) << "seed " << seed;
    all.Add(played);
  }
  return all;
}

TEST(RandomScripts, KeepEveryInvariantInLittleMemoryUnder400Seeds) {
  const Played all = PlayAll(Seeds(400), RandomCrowdedSettings);
  EXPECT_GT(all.ends.replied, 10'000U);
  EXPECT_GT(all.evictions, 900U);
  EXPECT_GT(all.cold, 1'000U);
  EXPECT_GT(all.never_fits, 100U);
  EXPECT_GT(all.no_room, 300U);
  EXPECT_GT(all.load_failed, 10U);
}

TEST(RandomScripts, KeepEveryInvariantWithVariantsUnder600Seeds) {
  const Played all = PlayAll(Seeds(600), RandomVariantSettings);
  EXPECT_GT(all.ends.replied, 10'000U);
  EXPECT_GT(all.evictions, 900U);
  EXPECT_GT(all.cold, 1'000U);
  EXPECT_GT(all.not_accurate, 100U);
  EXPECT_GT(all.variant_starts, 1'000U);
}

TEST(RandomScripts, KeepEveryInvariantWhileOtherProgramsTakeMemoryUnder600Seeds) {
  const Played all = PlayAll(Seeds(600), RandomPressedSettings);
  EXPECT_GT(all.ends.replied, 10'000U);
  EXPECT_GT(all.evictions, 900U);
  EXPECT_GT(all.cold, 1'000U);
  EXPECT_GT(all.no_room, 300U);
  EXPECT_GT(all.stopped_loads, 100U);
  EXPECT_GT(all.loads_given_up, 50U);
  EXPECT_GT(all.tenant_memory, 100U);
}

TEST(RandomScripts, KeepEveryInvariantUnderSeedsThatOnceBrokeOne) {
  for (const std::uint64_t seed : {9'430U, 15'335U, 17'142U}) {
    const Played played = Play(seed, RandomCrowdedSettings(seed));
    EXPECT_EQ(played.violations, std::vector<std::string>{}) << "little memory, seed " << seed;
  }
  for (const std::uint64_t seed : {570U, 2'713U, 2'961U, 3'252U, 9'351U}) {
    const Played played = Play(seed, RandomVariantSettings(seed));
    EXPECT_EQ(played.violations, std::vector<std::string>{}) << "variants, seed " << seed;
  }
}

TEST(RandomScripts, ReplayedIntoAFreshSchedulerGiveTheSameActions) {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    const SimulationSettings settings = seed <= 20   ? RandomSettings(seed)
                                        : seed <= 40 ? RandomCrowdedSettings(seed)
                                        : seed <= 60 ? RandomVariantSettings(seed)
                                                     : RandomPressedSettings(seed);
    const Played played = Play(seed, settings);
    Scheduler fresh(settings.scheduler);
    Checker checker(settings.scheduler);
    ActionList actions;
    actions.with_reasons = true;  // Telling why changes nothing.
    for (const Recorded& crank : played.log) {
      fresh.Crank(crank.now, crank.events, actions);
      checker.Crank(crank.now, crank.events, actions);
    }
    EXPECT_EQ(checker.digest(), played.digest) << "seed " << seed;
    EXPECT_EQ(checker.starts(), played.starts);
  }
}

}  // namespace
}  // namespace cotenant
