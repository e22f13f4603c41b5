#include "config/command_flags.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

class CommandFlags : public testing::Test {
 protected:
  Result<CommandWords> Read(std::vector<std::string> arguments) {
    return ReadCommandFlags(flags_, arguments);
  }
  std::string ErrorOf(std::vector<std::string> arguments) {
    const Result<CommandWords> read = Read(std::move(arguments));
    return read.ok() ? "" : read.status().message();
  }

  std::int64_t number_ = 0;
  std::uint64_t seed_ = 0;
  Duration span_;
  std::string text_;
  bool quiet_ = false;
  const std::vector<CommandFlag> flags_ = {
      {"number", FlagKind::kValue, "N", "a number", SetsNumber(number_, 1, 10)},
      {"seed", FlagKind::kValue, "N", "a seed", SetsSeed(seed_)},
      {"seconds", FlagKind::kValue, "S", "a span",
       SetsSeconds(span_, Duration(), Duration::Seconds(60))},
      {"json", FlagKind::kValue, "FILE", "a file", SetsText(text_)},
      {"quiet", FlagKind::kSwitch, "", "says nothing", SetsSwitch(quiet_)},
  };
};

TEST_F(CommandFlags, FlagsAndWordsMayBeMixed) {
  const auto read = Read({"first", "--number=3", "--quiet", "second", "--seconds", "2.5", "--seed",
                          "18446744073709551615", "--json=x"});
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->words, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(number_, 3);
  EXPECT_EQ(span_, Duration::Milliseconds(2500));
  EXPECT_EQ(seed_, UINT64_MAX);
  EXPECT_EQ(text_, "x");
  EXPECT_TRUE(quiet_);
}

TEST_F(CommandFlags, AnUnknownFlagIsAnsweredWithTheNearest) {
  EXPECT_EQ(ErrorOf({"--jsn=x"}), "unknown flag '--jsn'; did you mean '--json'?");
}

TEST_F(CommandFlags, EveryMistakeIsReported) {
  EXPECT_EQ(ErrorOf({"--number=11", "--quiet=yes", "--seconds=61", "--seed=-1", "--json"}),
            "--number: expected a whole number from 1 to 10, got '11'\n"
            "--quiet: takes no value\n"
            "--seconds: expected seconds from 0 to 60, got '61'\n"
            "--seed: expected a whole number from 0 to 2^64 - 1, got '-1'\n"
            "--json: expected a value");
  EXPECT_NE(ErrorOf({"--seconds=nan"}), "");
  EXPECT_NE(ErrorOf({"--seconds=1e300"}), "");
}

TEST_F(CommandFlags, HelpGoesBeforeMistakes) {
  const auto read = Read({"--nonsense", "--help"});
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->help);
  EXPECT_NE(CommandFlagsHelp(flags_).find("  --json=FILE               a file\n"),
            std::string::npos);
}

}  // namespace
}  // namespace cotenant
