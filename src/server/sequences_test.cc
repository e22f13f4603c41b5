#include "server/sequences.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(Sequences, OneStaysWithItsVariantUntilItEnds) {
  Sequences sequences;
  EXPECT_EQ(sequences.Find(ModelId{1}, "a"), std::nullopt);
  sequences.Remember(ModelId{1}, "a", ModelId{7});
  EXPECT_EQ(sequences.Find(ModelId{1}, "a"), ModelId{7});
  EXPECT_EQ(sequences.Find(ModelId{2}, "a"), std::nullopt) << "another model's";
  sequences.Forget(ModelId{1}, "a");
  EXPECT_EQ(sequences.Find(ModelId{1}, "a"), std::nullopt);
}

TEST(Sequences, TheOneSilentLongestIsForgottenWhenThereAreTooMany) {
  Sequences sequences(2);
  sequences.Remember(ModelId{1}, "a", ModelId{7});
  sequences.Remember(ModelId{1}, "b", ModelId{8});
  EXPECT_EQ(sequences.Find(ModelId{1}, "a"), ModelId{7});
  sequences.Remember(ModelId{1}, "c", ModelId{9});
  EXPECT_EQ(sequences.Find(ModelId{1}, "b"), std::nullopt);
  EXPECT_EQ(sequences.Find(ModelId{1}, "a"), ModelId{7});
  EXPECT_EQ(sequences.Find(ModelId{1}, "c"), ModelId{9});
}

}  // namespace
}  // namespace cotenant
