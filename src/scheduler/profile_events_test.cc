/// What a profile makes the brain know before the first request, and how fast it learns better.

#include "scheduler/profile_events.h"

#include <gtest/gtest.h>

#include "scheduler/script_test.h"

namespace cotenant {
namespace {

/// One slot, first come first served: all that waits counts for who comes.
SchedulerSettings OneSlot() {
  SchedulerSettings settings;
  settings.slots = 1;
  settings.node.policies.dispatch = "fifo";
  return settings;
}

/// Runs of one row take 0.9 … 1.1 ms, of four rows three times as long.
ModelProfile OneMillisecond() {
  ModelProfile profile;
  profile.runs.push_back({1, {{Us(900), Us(1'000), Us(1'100)}}, {}, {}});
  profile.runs.push_back({4, {{Us(2'700), Us(3'000), Us(3'300)}}, {}, {}});
  return profile;
}

class ProfileEvents : public testing::Test {
 protected:
  ProfileEvents() {
    script_.Crank(0, {LoadWanted{At(0), ModelId{0}}});
    std::vector<Event> events;
    AppendProfileEvents(OneMillisecond(), ModelId{0}, At(0), events);
    events.push_back(LoadFinished{At(0), ModelId{0}, {}, {}, {}, {}});
    script_.Crank(0, events);
  }
  /// Runs one request that takes so long.
  void RunOne(std::int64_t took_us) {
    script_.Crank(us_, {script_.Arrive(us_, request_++, 0)});
    us_ += took_us;
    script_.Crank(us_, {script_.Finish(us_, run_++, Us(took_us))});
  }
  /// The smallest bound that a request would be admitted with while one has just begun and three
  /// wait.
  std::int64_t SmallestBound() {
    const std::uint64_t first = request_;
    for (int i = 0; i < 4; ++i) script_.Crank(us_, {script_.Arrive(us_, request_++, 0)});
    script_.Crank(us_, {script_.Arrive(us_, request_++, 0, Us(1))});
    const auto& reject = std::get<Reject>(script_.actions.actions.at(0));
    EXPECT_EQ(reject.reason, RejectReason::kNotFeasible);
    const std::int64_t bound = reject.earliest_bound.microseconds();
    // Three of them go before they begin, and the first is let end unlearnt.
    for (std::uint64_t id = first; id < first + 4; ++id) {
      script_.Crank(us_, {Gone{At(us_), RequestId{id}}});
    }
    script_.Crank(us_, {RunFailed{At(us_), RunId{run_++}, {}, Code::kCancelled, false}});
    return bound;
  }

  Script script_{OneSlot()};
  std::int64_t us_ = 10;
  std::uint64_t request_ = 1;
  std::uint64_t run_ = 0;
};

TEST_F(ProfileEvents, TheFirstRequestIsJudgedByTheProfile) {
  // One that runs, three that wait and its own: about 1 ms each, or less where they are joined.
  EXPECT_NEAR(static_cast<double>(SmallestBound()), 4'750, 250);
}

TEST_F(ProfileEvents, ASlowDownOfTheWholeBoxIsLearntWithinAFewTensOfRuns) {
  const std::int64_t before = SmallestBound();
  int runs = 0;
  while (SmallestBound() < 2 * before * 95 / 100) {
    RunOne(1'800 + 40 * (runs % 11));
    ASSERT_LT(++runs, 40) << "the smallest bound is " << SmallestBound() << " us";
  }
  EXPECT_GT(runs, 2) << "one slow run is no slow-down";
  RecordProperty("runs", runs);
}

TEST_F(ProfileEvents, ABoxThatGetsFasterIsLearntToo) {
  const std::int64_t before = SmallestBound();
  for (int i = 0; i < 200; ++i) RunOne(450 + 10 * (i % 11));
  EXPECT_NEAR(static_cast<double>(SmallestBound()), static_cast<double>(before) / 2, 300);
}

}  // namespace
}  // namespace cotenant
