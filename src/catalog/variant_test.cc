#include "catalog/variant.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(Variant, AccuracyIsWrittenWithoutNeedlessDigits) {
  EXPECT_EQ(AccuracyText(76'600), "76.6");
  EXPECT_EQ(AccuracyText(kFullAccuracy), "100");
  EXPECT_EQ(AccuracyText(5), "0.005");
  EXPECT_EQ(AccuracyText(0), "0");
}

TEST(Variant, EverySourceIsFoundByItsName) {
  for (const AccuracySource source : {AccuracySource::kUnknown, AccuracySource::kStated,
                                      AccuracySource::kAgreement, AccuracySource::kLabels}) {
    EXPECT_EQ(FindAccuracySource(AccuracySourceName(source)), source);
  }
  EXPECT_EQ(FindAccuracySource("guessed"), std::nullopt);
}

TEST(Variant, AgreementIsTakenFromTheAccuracyOfTheNetworkItAgreesWith) {
  using enum AccuracySource;
  EXPECT_EQ(Comparable({99'000, kAgreement}, {91'200, kLabels}), (Accuracy{90'200, kAgreement}));
  EXPECT_EQ(Comparable({99'000, kAgreement}, {kFullAccuracy, kAgreement}).milli, 99'000);
  EXPECT_EQ(Comparable({88'000, kLabels}, {91'200, kLabels}).milli, 88'000);
  EXPECT_EQ(Comparable({5'000, kAgreement}, {50'000, kStated}).milli, 0);
  EXPECT_EQ(Comparable({}, {50'000, kStated}), Accuracy{});
}

TEST(VariantTitle, NamesAVariantOfAModelAndTellsTheModel) {
  EXPECT_EQ(VariantTitle("detector", "int8"), "detector:int8");
  EXPECT_EQ(ModelOfTitle("detector:int8"), "detector");
  EXPECT_EQ(ModelOfTitle("a:b:int8"), "a:b");
  EXPECT_EQ(ModelOfTitle("detector"), "");
}

TEST(OwnAccuracy, WhatIsDeclaredGoesBeforeFullAgreementWithItself) {
  VariantUse use;
  EXPECT_EQ(use.own_accuracy(), (Accuracy{kFullAccuracy, AccuracySource::kAgreement}));
  use.accuracy = {91'000, AccuracySource::kStated};
  EXPECT_EQ(use.own_accuracy(), (Accuracy{91'000, AccuracySource::kStated}));
}

}  // namespace
}  // namespace cotenant
