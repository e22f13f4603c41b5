/// What the scheduler promises under load, in virtual time.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "catalog/policy_rows.h"
#include "simulation/random_script.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }

/// Sends every request that was refused as not feasible once more, at once, with the bound that the
/// refusal named.
class AskAgain {
 public:
  explicit AskAgain(SimulatedNode& node) : node_(node) {
    node.Observe([this](Instant now, std::span<const Event> events, const ActionList& actions) {
      Crank(now, events, actions);
    });
  }
  std::uint64_t admitted() const { return admitted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void Crank(Instant now, std::span<const Event> events, const ActionList& actions) {
    const RequestId again = std::exchange(again_, RequestId{});
    const auto* arrived = events.size() == 1 ? std::get_if<Arrived>(&events[0]) : nullptr;
    if (arrived == nullptr) return;
    const auto is_refusal = [](const Action& action) {
      const auto* reject = std::get_if<Reject>(&action);
      return reject != nullptr && reject->reason == RejectReason::kNotFeasible;
    };
    const auto found = std::ranges::find_if(actions.actions, is_refusal);
    const bool refused = found != actions.actions.end();
    // Only if nothing came between the refusal and the second try.
    if (arrived->request == again && now == asked_at_) ++(refused ? refused_ : admitted_);
    const bool started = std::ranges::any_of(actions.actions, [](const Action& action) {
      return std::holds_alternative<StartRun>(action);
    });
    if (!refused || started) return;
    Arrived retry = *arrived;
    retry.request = again_ = RequestId{next_++};
    retry.bounds.latency = std::get<Reject>(*found).earliest_bound;
    EXPECT_EQ(retry.bounds.latency.nanoseconds() % 1'000, 0);
    EXPECT_GT(retry.bounds.latency, arrived->bounds.latency);
    asked_at_ = now;
    node_.Plan(now, retry);
  }

  SimulatedNode& node_;
  RequestId again_{};
  Instant asked_at_;
  std::uint64_t next_ = 5'000'000;
  std::uint64_t admitted_ = 0;
  std::uint64_t refused_ = 0;
};

TEST(Promises, ARefusedRequestIsAdmittedWithExactlyTheBoundThatWasNamed) {
  std::uint64_t admitted = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SimulationSettings settings = RandomSettings(seed);
    settings.scheduler.node.policies.admission = "feasible";
    for (Tenant& tenant : settings.scheduler.node.tenants) tenant.latency_bound = Duration();
    SimulatedNode node(settings);
    AskAgain again(node);
    PlanRandomScript(settings, seed, node);
    node.Run();
    EXPECT_EQ(again.refused(), 0U) << "seed " << seed;
    admitted += again.admitted();
  }
  EXPECT_GT(admitted, 100U);
}

/// Follows tiny requests (model 0) beside big ones (model 1).
struct TinyBesideBig {
  std::uint64_t tiny = 0;
  std::uint64_t met = 0;
  std::uint64_t big_begins_max = 0;  ///< Between a tiny request's arrival and start, on its slot.
  std::uint64_t big = 0;
};

TinyBesideBig PlayTinyBesideBig(std::string_view dispatch, Duration tiny_run) {
  SimulationSettings settings;
  settings.scheduler.slots = 2;
  settings.scheduler.node.policies.dispatch = dispatch;
  settings.models = {{.run = tiny_run, .jitter = tiny_run / 10, .load = Us(1)},
                     {.run = Us(3'000), .jitter = Us(300), .load = Us(1)}};
  settings.model_settings.resize(2);
  SimulatedNode node(settings);
  for (std::uint32_t model = 0; model < 2; ++model) {
    node.Plan(Instant(), LoadWanted{{}, ModelId{model}});
  }

  TinyBesideBig seen;
  std::map<RequestId, Instant> tiny_arrived;
  std::vector<std::pair<Instant, std::int32_t>> big_begun;
  std::uint64_t next = 1;
  const auto arrive = [&](std::uint32_t model, Instant at, Duration bound) {
    Arrived event;
    event.at = at;
    event.request = RequestId{next++};
    event.model = ModelId{model};
    event.bounds.latency = bound;
    node.Plan(at, event);
    if (model == 0) tiny_arrived[event.request] = at;
  };
  std::map<RequestId, Instant> tiny_started;
  node.Observe([&](Instant now, std::span<const Event>, const ActionList& actions) {
    for (const Action& action : actions.actions) {
      if (const auto* start = std::get_if<StartRun>(&action)) {
        if (start->model == ModelId{1}) {
          big_begun.emplace_back(now, start->slot);
          ++seen.big;
          continue;
        }
        const Instant arrived = tiny_arrived.at(actions.MembersOf(*start)[0]);
        const auto begun = std::ranges::count_if(big_begun, [&](const auto& big) {
          return big.first > arrived && big.second == start->slot;
        });
        seen.big_begins_max = std::max(seen.big_begins_max, static_cast<std::uint64_t>(begun));
      } else if (const auto* reply = std::get_if<Reply>(&action)) {
        const auto tiny = tiny_arrived.find(reply->request);
        if (tiny == tiny_arrived.end()) {
          // A client that always has its next request ready.
          if (now < Instant() + Duration::Seconds(2)) arrive(1, now, {});
        } else {
          if (now - tiny->second <= Us(5'000)) ++seen.met;
        }
      }
    }
  });
  for (int client = 0; client < 8; ++client) arrive(1, Instant() + Us(100), {});
  for (std::int64_t us = 20'000; us < 2'000'000; us += 4'000) {
    arrive(0, Instant() + Us(us), Us(5'000));
    ++seen.tiny;
  }
  node.Run();
  return seen;
}

TEST(Promises, ATinyRequestBesideASaturatedNetworkWaitsForAtMostOneBegunRun) {
  for (std::string_view dispatch : kDispatchNames) {
    const TinyBesideBig seen = PlayTinyBesideBig(dispatch, Us(30));
    EXPECT_LE(seen.big_begins_max, 1U) << dispatch;
    EXPECT_GT(seen.big, 1'000U) << "the big one keeps both slots busy";
    if (dispatch != "fifo" && dispatch != "weighted-fair") {
      EXPECT_GE(seen.met * 100, seen.tiny * 99);
    }
  }
}

TEST(Promises, EdfMeetsMoreBoundsThanFifoWhereRunsAreTooLongToBeInline) {
  const TinyBesideBig edf = PlayTinyBesideBig("edf", Us(400));
  const TinyBesideBig fifo = PlayTinyBesideBig("fifo", Us(400));
  EXPECT_LE(edf.big_begins_max, 1U);
  EXPECT_GE(edf.met * 100, edf.tiny * 99);
  EXPECT_GT(edf.met, fifo.met);
}

}  // namespace
}  // namespace cotenant
