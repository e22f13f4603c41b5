#include "server/memory_budget.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(MemoryBudget, PartsAreTheWhole) {
  const auto budget = DivideMemory({Bytes::MiB(512), Bytes::MiB(32), Bytes::MiB(40)});
  ASSERT_TRUE(budget.ok());
  EXPECT_EQ(budget->base, Bytes::MiB(36));
  EXPECT_EQ(budget->requests, Bytes::MiB(40));
  EXPECT_EQ(budget->parked, Bytes::MiB(32));
  EXPECT_EQ(budget->base + budget->requests + budget->models + budget->parked, Bytes::MiB(512));
  EXPECT_TRUE(budget->limited());
}

TEST(MemoryBudget, RequestsTakeAnEighthAtMost) {
  const auto budget = DivideMemory({Bytes::MiB(80), Bytes::MiB(16), Bytes::MiB(512)});
  ASSERT_TRUE(budget.ok());
  EXPECT_EQ(budget->requests, Bytes::MiB(10));
}

TEST(MemoryBudget, ParkedNetworksGetWhatIsSaid) {
  const auto parked = [](Bytes most) {
    return DivideMemory({Bytes::MiB(80), Bytes::MiB(16), Bytes::MiB(8), most})->parked;
  };
  EXPECT_EQ(parked(Bytes()), Bytes());
  EXPECT_EQ(parked(Bytes::MiB(3)), Bytes::MiB(3));
  EXPECT_EQ(parked(Bytes::MiB(100)), Bytes::MiB(10));
}

TEST(MemoryBudget, TooLittleForAnyModelIsRefusedWithTheSizes) {
  const auto budget = DivideMemory({Bytes::MiB(24), Bytes::MiB(32), Bytes::MiB(1)});
  ASSERT_FALSE(budget.ok());
  EXPECT_EQ(budget.status().code(), Code::kFailedPrecondition);
  EXPECT_NE(budget.status().message().find("24.0 MiB"), std::string::npos);
  EXPECT_NE(budget.status().message().find("--memory"), std::string::npos);
}

TEST(MemoryBudget, SizesInMessagesAreRoundedUp) {
  EXPECT_EQ(SizeText(Bytes()), "0.0 MiB");
  EXPECT_EQ(SizeText(Bytes(1)), "0.1 MiB");
  EXPECT_EQ(SizeText(Bytes::MiB(7)), "7.0 MiB");
}

}  // namespace
}  // namespace cotenant
