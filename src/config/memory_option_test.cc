#include "config/memory_option.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Bytes Budget(const std::string& text, std::optional<Bytes> limit, Bytes available) {
  const auto option = ParseMemoryOption(text);
  EXPECT_TRUE(option.ok()) << text;
  return option.ok() ? BudgetOf(*option, limit, available) : Bytes(-1);
}

TEST(MemoryOption, ASizeIsTakenAsItIs) {
  EXPECT_EQ(Budget("512MiB", Bytes::MiB(100), Bytes::MiB(50)), Bytes::MiB(512));
  EXPECT_EQ(Budget("1G", std::nullopt, Bytes()), Bytes::MiB(1024));
  EXPECT_EQ(Budget("4096", std::nullopt, Bytes()), Bytes(4096));
}

TEST(MemoryOption, AShareIsOfTheSmallerOfLimitAndAvailable) {
  EXPECT_EQ(Budget("50%", Bytes::MiB(100), Bytes::MiB(1000)), Bytes::MiB(50));
  EXPECT_EQ(Budget("50%", Bytes::MiB(100), Bytes::MiB(60)), Bytes::MiB(30));
  EXPECT_EQ(Budget("50%", std::nullopt, Bytes::MiB(60)), Bytes::MiB(30));
}

TEST(MemoryOption, ZeroIsTheDefaultShareAndNotNothing) {
  EXPECT_EQ(Budget("0", std::nullopt, Bytes::MiB(100)), Bytes::MiB(80));
  EXPECT_EQ(BudgetOf({}, std::nullopt, Bytes::MiB(100)), Bytes::MiB(80));
}

TEST(MemoryOption, UnlimitedIsNoBudget) {
  EXPECT_EQ(Budget("unlimited", Bytes::MiB(100), Bytes::MiB(1000)), Bytes());
}

TEST(MemoryOption, AnythingElseIsRefusedWithWhatIsExpected) {
  for (const char* text : {"", "-1", "0%", "101%", "5 %", "%", "10XB", "1e9", "all", "99999GiB"}) {
    const auto option = ParseMemoryOption(text);
    ASSERT_FALSE(option.ok()) << text;
    EXPECT_NE(option.status().message().find("512MiB"), std::string::npos);
  }
}

}  // namespace
}  // namespace cotenant
