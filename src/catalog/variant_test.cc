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

}  // namespace
}  // namespace cotenant
