#include "policy/selection.h"

#include <gtest/gtest.h>

#include <vector>

namespace cotenant {
namespace {

/// Says yes to some, and keeps who was asked.
class Trial final : public VariantTrial {
 public:
  explicit Trial(std::vector<std::size_t> meets) : meets_(std::move(meets)) {}
  bool Meets(std::size_t variant) override {
    asked.push_back(variant);
    for (const std::size_t good : meets_) {
      if (good == variant) return true;
    }
    return false;
  }
  std::vector<std::size_t> asked;

 private:
  std::vector<std::size_t> meets_;
};

using Variants = std::vector<SelectableVariant>;

TEST(Selection, TheMostAccurateInMemoryThatIsInTimeAnswers) {
  const Variants variants = {{70'000, true}, {90'000, false}, {80'000, true}};
  Trial all({0, 1, 2});
  EXPECT_EQ(SelectVariant(variants, all).chosen, 2U);
  EXPECT_EQ(all.asked, (std::vector<std::size_t>{2})) << "no other is tried";
  Trial small({0});
  const Selection selection = SelectVariant(variants, small);
  EXPECT_EQ(selection.chosen, 0U);
  EXPECT_EQ(selection.passed_over, 1U);
}

TEST(Selection, NothingInMemoryOrNothingInTimeIsNoChoice) {
  Trial none({});
  EXPECT_EQ(SelectVariant(Variants{{70'000, false}}, none).chosen, std::nullopt);
  EXPECT_TRUE(none.asked.empty());
  const Selection late = SelectVariant(Variants{{70'000, true}, {70'000, true}}, none);
  EXPECT_EQ(late.chosen, std::nullopt);
  EXPECT_EQ(late.passed_over, 2U);
}

TEST(Selection, AnUnknownAccuracyIsChosenWhereNothingElseIsLeft) {
  Trial all({0, 1});
  EXPECT_EQ(SelectVariant(Variants{{0, true}}, all).chosen, 0U) << "its client named it";
}

TEST(AccuracyFloor, WhatTheRequestAsksComesBeforeWhatItsTenantAndModelDo) {
  const Variants variants = {{70'000, true}, {90'000, false}};
  EXPECT_EQ((AccuracyFloor{0, 0, 0}.For(variants)), 0);
  EXPECT_EQ((AccuracyFloor{0, 75'000, 80'000}.For(variants)), 80'000);
  EXPECT_EQ((AccuracyFloor{60'000, 75'000, 0}.For(variants)), 60'000);
  EXPECT_EQ((AccuracyFloor{0, 95'000, 0}.For(variants)), 90'000) << "the best there is";
  EXPECT_EQ((AccuracyFloor{95'000, 0, 0}.For(variants)), std::nullopt);
}

}  // namespace
}  // namespace cotenant
