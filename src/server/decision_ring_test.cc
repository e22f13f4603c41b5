#include "server/decision_ring.h"

#include <gtest/gtest.h>

#include <string>

namespace cotenant {
namespace {

AdmissionDecision Admitted(std::uint64_t request) {
  AdmissionDecision decision;
  decision.request = RequestId{request};
  return decision;
}

TEST(DecisionRing, KeepsTheLastOnesOldestFirst) {
  DecisionRing ring(3);
  for (std::uint64_t i = 1; i <= 5; ++i) ring.Add(Instant(), Admitted(i), "");
  ASSERT_EQ(ring.Last(10).size(), 3U);
  EXPECT_EQ(std::get<AdmissionDecision>(ring.Last(10)[0].decision).request, RequestId{3});
  ASSERT_EQ(ring.Last(1).size(), 1U);
  EXPECT_EQ(std::get<AdmissionDecision>(ring.Last(1)[0].decision).request, RequestId{5});
}

TEST(DecisionRing, OfNoSizeIsOff) {
  EXPECT_FALSE(DecisionRing(0).on());
  EXPECT_TRUE(DecisionRing(0).Last(5).empty());
  EXPECT_TRUE(DecisionRing(0).Of("7").empty());
}

TEST(DecisionRing, FindsARequestByItsClientsIdOrByOurNumberWithTheRunItJoined) {
  DecisionRing ring(16);
  StartDecision start;
  start.run = RunId{4};
  start.first = RequestId{1};
  ring.Add(Instant(), Admitted(1), "");
  ring.Add(Instant(), Admitted(2), "camera-9");
  ring.Add(Instant(), start, "");
  ring.Add(Instant(), JoinDecision{RequestId{2}, RunId{4}, {}}, "");
  EXPECT_EQ(ring.Of("camera-9").size(), 3U);
  EXPECT_EQ(ring.Of("2").size(), 3U);
  EXPECT_EQ(ring.Of("1").size(), 2U);
  EXPECT_TRUE(ring.Of("camera-8").empty());
  EXPECT_TRUE(ring.Of("").empty());
}

TEST(DecisionRing, ALongIdIsFoundByItsFirstLetters) {
  DecisionRing ring(4);
  const std::string id(200, 'x');
  ring.Add(Instant(), Admitted(1), id);
  EXPECT_EQ(ring.Of(id).size(), 1U);
}

}  // namespace
}  // namespace cotenant
