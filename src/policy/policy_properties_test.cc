/// What must hold for every input, over drawn ones.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/property_test.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

Duration DrawUs(std::int64_t least, std::int64_t most) {
  return Duration::Microseconds(*rc::gen::inRange(least, most + 1));
}
Instant DrawInstant() { return Instant() + DrawUs(0, 20'000'000); }

RequestView DrawRequest() {
  RequestView view;
  view.taken = DrawInstant();
  if (*rc::gen::arbitrary<bool>()) view.deadline = DrawInstant();
  view.virtual_start = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000);
  view.run_time = DrawUs(0, 100'000);
  return view;
}

class EveryDispatch : public testing::TestWithParam<std::string_view> {
 protected:
  const DispatchPolicy& policy() const { return *FindDispatch(GetParam()).value(); }
};

std::string TestName(const testing::TestParamInfo<std::string_view>& info) {
  std::string name(info.param);
  std::ranges::replace(name, '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Policies, EveryDispatch, testing::ValuesIn(kDispatchNames), TestName);

TEST_P(EveryDispatch, AnEarlierDeadlineNeverRanksLater) {
  ForAll([this] {
    RequestView later = DrawRequest();
    later.deadline = DrawInstant();
    RequestView earlier = later;
    earlier.deadline = later.deadline - DrawUs(0, 1'000'000);
    RC_ASSERT(policy().RankOf(earlier) <= policy().RankOf(later));
  });
}

TEST_P(EveryDispatch, OfRequestsAlikeInAllElseTheOneThatCameFirstNeverRanksLater) {
  ForAll([this] {
    RequestView first = DrawRequest();
    RequestView second = first;
    second.taken = first.taken + DrawUs(0, 1'000'000);
    RC_ASSERT(policy().RankOf(first) <= policy().RankOf(second));
  });
}

TEST_P(EveryDispatch, ALaterVirtualStartNeverRanksEarlier) {
  ForAll([this] {
    RequestView less = DrawRequest();
    RequestView more = less;
    more.virtual_start += *rc::gen::inRange<std::int64_t>(0, 1'000'000);
    RC_ASSERT(policy().RankOf(less) <= policy().RankOf(more));
  });
}

/// The scheduler ranks a request once and keeps the rank while time passes.
TEST_P(EveryDispatch, OrderDoesNotDependOnWhereTimeBegan) {
  ForAll([this] {
    RequestView a = DrawRequest();
    RequestView b = DrawRequest();
    const bool before = policy().RankOf(a) < policy().RankOf(b);
    const Duration shift = DrawUs(0, 1'000'000);
    for (RequestView* view : {&a, &b}) {
      view->taken = view->taken + shift;
      if (view->deadline < Instant::Max()) view->deadline = view->deadline + shift;
    }
    RC_ASSERT((policy().RankOf(a) < policy().RankOf(b)) == before);
  });
}

/// Starvation-free policies let only so much go first: whatever arrives this much later ranks
/// behind, whatever its bound.
TEST_P(EveryDispatch, OneThatDeclaresNoStarvationRanksMuchLaterArrivalsBehind) {
  if (!policy().properties().starvation_free) return;
  ForAll([this] {
    const RequestView waiting = DrawRequest();
    RequestView late = DrawRequest();
    late.taken = waiting.taken + kUnboundedDue + Duration::Seconds(21);
    late.deadline = late.taken + DrawUs(0, 1'000'000);
    late.virtual_start = waiting.virtual_start + 1'000'000'000;
    RC_ASSERT(policy().RankOf(waiting) <= policy().RankOf(late));
  });
}

TEST(LeastSlack, ALongerRunOfTheSameDeadlineNeverRanksLater) {
  ForAll([] {
    const RequestView shorter = DrawRequest();
    RequestView longer = shorter;
    longer.run_time += DrawUs(0, 100'000);
    RC_ASSERT(DispatchLeastSlack().RankOf(longer) <= DispatchLeastSlack().RankOf(shorter));
    RC_ASSERT(DispatchShortestFirst().RankOf(longer) >= DispatchShortestFirst().RankOf(shorter));
  });
}

/// A queue, and the window that its `window` points to.
struct DrawnQueue {
  DynamicBatching window;
  QueueView view;
  Instant now;
};

DrawnQueue DrawQueue() {
  DrawnQueue drawn;
  if (*rc::gen::arbitrary<bool>()) drawn.window.queue_delay_max = DrawUs(1, 5'000);
  drawn.window.preferred_sizes =
      *rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(1, 17));
  QueueView& view = drawn.view;
  view.rows_max = *rc::gen::inRange(1, 17);
  view.rows = *rc::gen::inRange(1, view.rows_max + 1);
  view.first_rows = *rc::gen::inRange(1, view.rows + 1);
  view.closed = *rc::gen::arbitrary<bool>();
  view.oldest = DrawInstant();
  drawn.now = view.oldest + DrawUs(0, 6'000);
  if (*rc::gen::arbitrary<bool>()) view.deadline = drawn.now + DrawUs(-1'000, 10'000);
  if (*rc::gen::arbitrary<bool>()) view.finish_p95 = DrawUs(0, 5'000);
  return drawn;
}

class EveryBatching : public testing::TestWithParam<std::string_view> {
 protected:
  const BatchingPolicy& policy() const { return *FindBatching(GetParam()).value(); }
};
INSTANTIATE_TEST_SUITE_P(Policies, EveryBatching,
                         testing::ValuesIn(kBatchingNames.begin() + 1, kBatchingNames.end()),
                         TestName);

TEST_P(EveryBatching, AWaitEndsLaterThanNowAndOnlyOneThatMayIdleWaits) {
  ForAll([this] {
    DrawnQueue drawn = DrawQueue();
    drawn.view.window = &drawn.window;
    const BatchChoice choice = policy().Choose(drawn.view, drawn.now);
    RC_ASSERT(choice.rows >= 0);
    RC_ASSERT(choice.rows > 0 || choice.until > drawn.now);
    if (policy().properties().work_conserving) RC_ASSERT(choice.rows > 0);
  });
}

TEST_P(EveryBatching, MoreWaitingRowsNeverMakeItWaitWhereFewerWouldStart) {
  ForAll([this] {
    DrawnQueue drawn = DrawQueue();
    QueueView fewer = drawn.view;
    fewer.window = &drawn.window;
    QueueView more = fewer;
    more.rows = *rc::gen::inRange(fewer.rows, fewer.rows_max + 1);
    // More rows take no less time.
    if (more.finish_p95 >= Duration()) more.finish_p95 += DrawUs(0, 1'000);
    const bool starts = policy().Choose(fewer, drawn.now).rows > 0;
    RC_ASSERT(!starts || policy().Choose(more, drawn.now).rows > 0);
  });
}

TEST_P(EveryBatching, WhatStartsNowStartsLaterToo) {
  ForAll([this] {
    DrawnQueue drawn = DrawQueue();
    drawn.view.window = &drawn.window;
    const BatchChoice now = policy().Choose(drawn.view, drawn.now);
    const Instant later = drawn.now + DrawUs(0, 10'000);
    const BatchChoice then = policy().Choose(drawn.view, later);
    if (now.rows > 0 || later >= now.until) RC_ASSERT(then.rows > 0);
  });
}

TEST_P(EveryBatching, AnEarlierDeadlineNeverMakesItWaitLonger) {
  ForAll([this] {
    DrawnQueue drawn = DrawQueue();
    QueueView later = drawn.view;
    later.window = &drawn.window;
    QueueView earlier = later;
    earlier.deadline = later.deadline - DrawUs(0, 10'000);
    const BatchChoice patient = policy().Choose(later, drawn.now);
    const BatchChoice urgent = policy().Choose(earlier, drawn.now);
    RC_ASSERT(urgent.rows > 0 || (patient.rows == 0 && urgent.until <= patient.until));
  });
}

TEST_P(EveryBatching, TheOrderInWhichPreferredSizesAreListedIsNoMatter) {
  ForAll([this] {
    DrawnQueue drawn = DrawQueue();
    drawn.view.window = &drawn.window;
    const BatchChoice choice = policy().Choose(drawn.view, drawn.now);
    std::ranges::reverse(drawn.window.preferred_sizes);
    const BatchChoice again = policy().Choose(drawn.view, drawn.now);
    RC_ASSERT(choice.rows == again.rows && choice.until == again.until);
  });
}

/// Done after its own run and those of everything due before it, as the scheduler's forecast: never
/// earlier for a longer bound.
class DrawnForecast final : public FinishForecast {
 public:
  DrawnForecast() {
    const auto waiting = *rc::gen::inRange<std::size_t>(0, 20);
    for (std::size_t i = 0; i < waiting; ++i) due_.push_back(DrawUs(0, 100'000));
  }
  Duration For(Duration bound) const override {
    const auto before = std::ranges::count_if(due_, [bound](Duration due) { return due < bound; });
    return own_ + each_ * before;
  }

 private:
  std::vector<Duration> due_;
  Duration own_ = DrawUs(1, 10'000);
  Duration each_ = DrawUs(1, 10'000);
};

class EveryAdmission : public testing::TestWithParam<std::string_view> {
 protected:
  const AdmissionPolicy& policy() const { return *FindAdmission(GetParam()).value(); }
};
INSTANTIATE_TEST_SUITE_P(Policies, EveryAdmission, testing::ValuesIn(kAdmissionNames), TestName);

AdmissionView DrawAdmission(const FinishForecast& forecast) {
  AdmissionView view;
  view.bound = DrawUs(1, 200'000);
  view.estimated = *rc::gen::inRange(0, 10) > 0;
  view.fastest = DrawUs(0, 20'000);
  view.idle = *rc::gen::inRange(0, 10) == 0;
  view.finish = view.estimated ? &forecast : nullptr;
  return view;
}

/// Under a forecast that does not depend on the bound: with one that does (edf), a longer bound may
/// be refused, because others then go first.
TEST_P(EveryAdmission, ALongerBoundIsNeverRefusedWhereAShorterOneWasAdmitted) {
  ForAll([this] {
    class Fixed final : public FinishForecast {
     public:
      Duration For(Duration) const override { return finish_; }

     private:
      Duration finish_ = DrawUs(1, 200'000);
    };
    const Fixed forecast;
    AdmissionView shorter = DrawAdmission(forecast);
    AdmissionView longer = shorter;
    longer.bound += DrawUs(0, 200'000);
    RC_ASSERT(!policy().Choose(shorter).admit || policy().Choose(longer).admit);
  });
}

TEST_P(EveryAdmission, TheBoundThatARefusalNamesIsLongerAndAdmitted) {
  ForAll([this] {
    const DrawnForecast forecast;
    AdmissionView view = DrawAdmission(forecast);
    const AdmissionChoice refused = policy().Choose(view);
    if (refused.admit) return;
    RC_ASSERT(refused.earliest_bound > view.bound);
    view.bound = refused.earliest_bound;
    RC_ASSERT(policy().Choose(view).admit);
  });
}

}  // namespace
}  // namespace cotenant
