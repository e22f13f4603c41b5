/// The steady path of the brain takes no memory from the heap.

#include <allocation_count.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>

#include "catalog/policy_rows.h"
#include "scheduler/script_test.h"

namespace cotenant {
namespace {

/// One model run inline, one batched on workers; bounds, cancellations, two tenants; a steady rate.
class SteadyLoad {
 public:
  SteadyLoad(std::string_view dispatch, bool with_reasons, Bytes memory)
      : script_(Settings(dispatch, memory)) {
    script_.actions.with_reasons = with_reasons;
    ModelSettings batching;
    batching.rows_max = 4;
    batching.batching = true;
    batching.window.queue_delay_max = Us(100);
    script_.Load(0, {}, Us(20));
    script_.Load(1, batching, Us(2'000));
    events_.reserve(64);
    script_.actions.actions.reserve(64);
    script_.actions.members.reserve(64);
  }

  void Step() {
    us_ += 400;
    events_.clear();
    for (const Action& action : script_.actions.actions) {
      if (const auto* run = std::get_if<StartRun>(&action)) {
        events_.push_back(
            script_.Finish(us_, ToIndex(run->run), Us(ToIndex(run->model) * 300 + 20)));
      } else if (const auto* reply = std::get_if<Reply>(&action)) {
        events_.push_back(ReplyWritten{At(us_), reply->request});
      } else if (const auto* reject = std::get_if<Reject>(&action)) {
        events_.push_back(ReplyWritten{At(us_), reject->request});
      }
    }
    for (std::uint32_t i = 0; i < 3; ++i, ++id_) {
      Arrived event = script_.Arrive(us_, id_, i % 2, i == 0 ? Us(5'000) : Duration());
      event.tenant = TenantId{i % 2};
      event.batch_key = id_ % 5;
      events_.push_back(event);
    }
    if (id_ % 7 == 0) events_.push_back(Gone{At(us_), RequestId{id_ - 1}});
    script_.scheduler.Crank(At(us_), events_, script_.actions);
  }
  EndCounts Ends() const { return script_.scheduler.Ends(); }

 private:
  static SchedulerSettings Settings(std::string_view dispatch, Bytes memory) {
    SchedulerSettings settings;
    settings.memory = memory;
    settings.node.policies.residency = "marginal-value";
    settings.slots = 2;
    settings.node.policies.dispatch = dispatch;
    settings.node.tenants.push_back({"second", 3, {}, 10'000});
    return settings;
  }

  Script script_;
  std::vector<Event> events_;
  std::int64_t us_ = 0;
  std::uint64_t id_ = 1;
};

TEST(SteadyPath, AllocatesNothingOnceItsContainersHaveGrown) {
  for (std::string_view dispatch : kDispatchNames) {
    for (bool with_reasons : {false, true}) {
      // With a limit the models still fit.
      SteadyLoad load(dispatch, with_reasons, with_reasons ? Bytes::MiB(100) : Bytes());
      for (int step = 0; step < 2'000; ++step) load.Step();
      const std::uint64_t before = AllocationCount();
      for (int step = 0; step < 10'000; ++step) load.Step();
      EXPECT_EQ(AllocationCount() - before, 0U) << dispatch;
      EXPECT_GT(load.Ends().replied, 20'000U);
      EXPECT_GT(load.Ends().cancelled, 100U);
    }
  }
}

}  // namespace
}  // namespace cotenant
