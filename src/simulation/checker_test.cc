#include "simulation/checker.h"

#include <allocation_count.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "policy/policy_table.h"
#include "simulation/simulated_node.h"

namespace cotenant {
namespace {

/// Events and actions of one model, as a brain might answer them; no brain is asked.
class CheckerTest : public testing::Test {
 protected:
  void Crank(std::vector<Event> events, std::vector<Action> answers) {
    now_ = now_ + Duration::Microseconds(1);
    ActionList actions;
    actions.actions = std::move(answers);
    checker_.Crank(now_, events, actions);
  }
  void Load() {
    Crank({LoadWanted{now_, ModelId{0}}}, {StartLoad{ModelId{0}}});
    LoadFinished loaded;
    loaded.model = ModelId{0};
    Crank({loaded}, {});
  }
  std::string First() {
    checker_.Finish({});
    return checker_.violations().empty() ? "" : checker_.violations().front();
  }

  Checker checker_{SchedulerSettings{}};
  Instant now_;
};

TEST_F(CheckerTest, UnloadThatIsWantedAndBeginsIsSound) {
  Load();
  Crank({UnloadWanted{now_, ModelId{0}}}, {StartUnload{ModelId{0}}});
  EXPECT_EQ(First(), "");
}

TEST_F(CheckerTest, UnloadThatIsWantedAndNeverBeginsIsFound) {
  Load();
  Crank({UnloadWanted{now_, ModelId{0}}}, {});
  EXPECT_NE(First().find("the unload of model 0 was wanted and never began"), std::string::npos);
}

TEST_F(CheckerTest, UnloadWantedBeforeTheLoadBeganMustBeginToo) {
  Crank({LoadWanted{now_, ModelId{0}}}, {});
  Crank({UnloadWanted{now_, ModelId{0}}}, {});
  EXPECT_NE(First().find("the unload of model 0 was wanted and never began"), std::string::npos);
}

TEST_F(CheckerTest, UnloadWantedWhileTheLoadRunsMayComeLater) {
  Crank({LoadWanted{now_, ModelId{0}}}, {StartLoad{ModelId{0}}});
  Crank({UnloadWanted{now_, ModelId{0}}}, {});
  EXPECT_EQ(First(), "");
}

TEST_F(CheckerTest, RefusedRequestsLeaveNothingBehind) {
  Load();
  Arrived arrived;
  arrived.request = RequestId{1};
  StartRun run;
  run.slot = 0;
  run.rows = 1;
  ActionList starts;
  starts.actions = {run};
  starts.members = {arrived.request};
  std::get<StartRun>(starts.actions[0]).member_count = 1;
  checker_.Crank(now_, std::vector<Event>{arrived}, starts);
  // This one waits for the slot, and stays the first in order.
  arrived.request = RequestId{2};
  Crank({arrived}, {});
  std::uint64_t next = 3;
  std::vector<Event> came(1);
  const std::vector<Event> none;
  ActionList refusal;
  refusal.actions.resize(1);
  const auto refuse = [&](int times) {
    for (int i = 0; i < times; ++i) {
      arrived.request = RequestId{next++};
      came[0] = arrived;
      refusal.actions[0] = Reject{arrived.request,
                                  End::kRejected,
                                  Code::kUnavailable,
                                  RejectReason::kQueueFull,
                                  {},
                                  {},
                                  {}};
      checker_.Crank(now_, came, refusal);
      came[0] = ReplyWritten{now_, arrived.request};
      checker_.Crank(now_, came, ActionList());
    }
  };
  refuse(1'000);
  const std::uint64_t before = AllocationCount();
  refuse(100'000);
  EXPECT_EQ(AllocationCount() - before, 0U);
  EXPECT_EQ(checker_.violations(), std::vector<std::string>{});
}

/// What a checker of limited memory says after a load of 40 MiB in 100, told this account.
std::string SaidOf(const MemoryFacts& facts) {
  SchedulerSettings settings;
  settings.memory = Bytes::MiB(100);
  settings.run_peak_floor = Bytes::MiB(4);
  Checker checker(settings);
  ActionList actions;
  actions.actions = {StartLoad{ModelId{0}}};
  checker.Crank({}, std::vector<Event>{LoadWanted{{}, ModelId{0}, Bytes::MiB(40)}}, actions);
  checker.Ledger(facts);
  std::string said;
  for (const std::string& violation : checker.violations()) said += violation + "\n";
  return said;
}

TEST(CheckerOfTheLedger, SaysWhatIsWrongWithTheAccount) {
  const auto account = [](std::int64_t models, std::int64_t reserve, std::int64_t free) {
    return MemoryFacts{Bytes::MiB(100), Bytes::MiB(100), Bytes::MiB(models), Bytes::MiB(reserve),
                       Bytes::MiB(free)};
  };
  const auto says = [](const MemoryFacts& facts, const char* text) {
    return SaidOf(facts).find(text) != std::string::npos;
  };
  EXPECT_EQ(SaidOf(account(40, 4, 56)), "");
  EXPECT_TRUE(says(account(30, 4, 66), "bytes, but models and runs take"));
  EXPECT_TRUE(says(account(40, 4, 60), "does not add up"));
  EXPECT_TRUE(says(account(48, -4, 56), "is negative"));
  EXPECT_TRUE(says(account(98, 4, -2), "beyond its limit"));
}

/// One long request of one tenant, in a stream of short ones of another that fills the slot for
/// 25 s. Decided by `played`, while the checker is told that it is `declared`.
std::vector<std::string> PlayLongAmongShort(std::string_view played, std::string_view declared) {
  SimulationSettings settings;
  settings.scheduler.slots = 1;
  settings.scheduler.node.policies.dispatch = played;
  settings.scheduler.node.policies.admission = "all";
  settings.scheduler.node.tenants.resize(2);
  settings.models = {{.run = Duration::Milliseconds(1), .load = Duration::Microseconds(1)},
                     {.run = Duration::Milliseconds(50), .load = Duration::Microseconds(1)}};
  settings.model_settings.resize(2);
  SimulatedNode node(settings);
  SchedulerSettings told = settings.scheduler;
  told.node.policies.dispatch = declared;
  Checker checker(told);
  node.Observe([&](Instant now, std::span<const Event> events, const ActionList& actions) {
    checker.Crank(now, events, actions);
  });
  const auto at = [](std::int64_t us) { return Instant() + Duration::Microseconds(us); };
  for (std::uint32_t model = 0; model < 2; ++model) {
    node.Plan(at(0), LoadWanted{at(0), ModelId{model}});
    for (int i = 0; i < 2; ++i) {
      node.Plan(at(1'000), WarmedUp{at(1'000), ModelId{model}, 1, settings.models[model].run});
    }
  }
  std::uint64_t next = 1;
  const auto arrive = [&](std::int64_t us, std::uint32_t number) {
    Arrived event;
    event.at = at(us);
    event.request = RequestId{next++};
    event.tenant = TenantId{number};
    event.model = ModelId{number};
    node.Plan(at(us), event);
  };
  for (std::int64_t us = 10'000; us < 25'000'000; us += 900) {
    arrive(us, 0);
    if (us == 100'000) arrive(us, 1);
  }
  node.Run();
  checker.Finish(node.scheduler().Ends());
  return checker.violations();
}

TEST(CheckerOfStarvation, FindsAPolicyThatStarvesThoughItDeclaresNot) {
  for (const char* const declared : {"least-slack", "weighted-fair"}) {
    const std::vector<std::string> said = PlayLongAmongShort("shortest-first", declared);
    ASSERT_EQ(said.size(), 1U) << declared;
    EXPECT_NE(said[0].find("starves"), std::string::npos) << said[0];
  }
}

TEST(CheckerOfStarvation, IsSilentWhereThePolicyKeepsWhatItDeclares) {
  for (const std::string_view name : kDispatchNames) {
    EXPECT_EQ(PlayLongAmongShort(name, name), std::vector<std::string>{}) << name;
  }
}

}  // namespace
}  // namespace cotenant
