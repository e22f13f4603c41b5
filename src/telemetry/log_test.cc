#include "telemetry/log.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

namespace cotenant {
namespace {

/// What the lines of `write` become in a file.
template <typename Write>
std::string Logged(LogFormat format, LogLevel level, Write write) {
  const std::string path = testing::TempDir() + "/log_test.log";
  std::remove(path.c_str());
  EXPECT_TRUE(SetUpLog({format, level, path}).ok());
  write();
  EXPECT_TRUE(SetUpLog({}).ok());
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Log, TextLinesHaveTimeLevelAndFields) {
  const std::string text = Logged(LogFormat::kText, LogLevel::kInfo, [] {
    LogRequest(LogLevel::kWarning, "refused",
               {.protocol = "http", .request_id = "a status=200", .status = 400});
  });
  EXPECT_NE(text.find("Z warning refused protocol=http request_id=\"a status=200\" status=400\n"),
            std::string::npos)
      << text;
}

TEST(Log, JsonLinesCarryRequestIdAndTraceparentEscaped) {
  const std::string text = Logged(LogFormat::kJson, LogLevel::kInfo, [] {
    LogRequest(LogLevel::kInfo, "say \"hi\"\n",
               {.request_id = "a\\\x01",
                .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                .took = Duration::Milliseconds(2)});
  });
  EXPECT_TRUE(text.starts_with("{\"time\":\"20")) << text;
  EXPECT_NE(text.find("\"level\":\"info\",\"message\":\"say \\\"hi\\\"\\n\",\"request_id\":"
                      "\"a\\\\\\u0001\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-"
                      "b7ad6b7169203331-01\",\"took_us\":2000}\n"),
            std::string::npos)
      << text;
}

TEST(Log, LinesBelowTheLevelAreDropped) {
  const std::string text = Logged(LogFormat::kText, LogLevel::kWarning, [] {
    EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
    LogInfo("dropped");
    LogError("kept {} %v");
  });
  EXPECT_EQ(text.find("dropped"), std::string::npos);
  EXPECT_NE(text.find("error kept {} %v\n"), std::string::npos) << text;
}

TEST(Log, ControlCharactersCannotForgeALine) {
  const std::string text =
      Logged(LogFormat::kText, LogLevel::kInfo, [] { LogInfo("one\ntwo\x1b[2J"); });
  EXPECT_NE(text.find("one\\ntwo\\x1b[2J\n"), std::string::npos) << text;
}

TEST(Log, WhatIsNotUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(JsonEscaped("ü\xff\xc0\xaf€"), "ü\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD€");
  EXPECT_EQ(JsonEscaped("\xed\xa0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Log, AFileThatCannotBeOpenedIsNamed) {
  const Status status = SetUpLog({.file = "/proc/nowhere/all.log"});
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("/proc/nowhere/all.log"), std::string::npos);
}

}  // namespace
}  // namespace cotenant
