#include "config/run_result_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "catalog/run_tally.h"

namespace cotenant {
namespace {

RunResult SomeResult() {
  Scenario scenario;
  scenario.name = "some";
  scenario.lasts = Duration::Seconds(3);
  scenario.models.resize(1);
  scenario.models[0].name = "net \"quoted\"";
  RunTally tally(scenario);
  for (int i = 0; i < 1000; ++i) {
    EndedRequest request;
    request.end = static_cast<RunEnd>(static_cast<std::size_t>(i) % kRunEnds);
    request.reason = static_cast<std::size_t>(i) % kRunReasons;
    request.latency = Duration::Microseconds(i);
    request.latency_bound = Duration::Microseconds(500);
    tally.Add(request);
  }
  tally.AddError("HTTP 500: \xff");
  RunResult result = tally.Result();
  result.command = "load";
  result.seed = UINT64_MAX;
  result.expectations.push_back({"latency_p99_ms <= 3", false, "4.000 ms"});
  result.wall.emplace();
  result.wall->started = "2030-01-01T00:00:00Z";
  result.wall->late_p99 = Duration::Microseconds(77);
  result.wall->host_steal_percent = 1.25;
  result.wall->connections_peak = 12;
  return result;
}

TEST(RunResultFile, WhatIsWrittenIsReadBack) {
  const std::string text = RunResultJson(SomeResult());
  const Result<RunResult> read = ParseRunResult(text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(RunResultJson(*read), text);
  EXPECT_EQ(read->seed, UINT64_MAX);
  EXPECT_EQ(read->models.at(0).name, "net \"quoted\"");
  EXPECT_EQ(read->all.latency.p99, SomeResult().all.latency.p99);
  EXPECT_EQ(read->wall->late_p99, Duration::Microseconds(77));
}

TEST(RunResultFile, ASimulatedResultHasADigestAndNoWallFacts) {
  RunResult result = SomeResult();
  result.wall.reset();
  result.simulated.emplace();
  result.simulated->digest = 0xfedcba9876543210;
  result.memory = MemoryResult{Bytes::MiB(64), 12, 1, Duration::Milliseconds(340), 9};
  result.simulated->took = Duration::Seconds(4);
  const std::string text = RunResultJson(result);
  EXPECT_EQ(text.find("\"wall\""), std::string::npos);
  const Result<RunResult> read = ParseRunResult(text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_FALSE(read->wall);
  EXPECT_EQ(read->simulated->digest, 0xfedcba9876543210);
  EXPECT_EQ(read->memory->limit, Bytes::MiB(64));
  EXPECT_EQ(read->memory->load_time, Duration::Milliseconds(340));
  EXPECT_EQ(read->memory->evictions, 9U);
  EXPECT_EQ(read->simulated->took, Duration::Seconds(4));
}

TEST(RunResultFile, ErrorsNameTheKey) {
  std::string text = RunResultJson(SomeResult());
  text.replace(text.find("\"p99_ns\""), 8, "\"p98_ns\"");
  const Result<RunResult> read = ParseRunResult(text);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().message(), "'all.latency.p99_ns' is missing or of another type");
  EXPECT_FALSE(ParseRunResult("{}").ok());
  EXPECT_FALSE(ParseRunResult("[1").ok());
  EXPECT_FALSE(ParseRunResult(R"({"format": "cotenant run result", "format_version": 9})").ok());
}

TEST(RunResultFile, EveryMissingOrBrokenKeyIsAnErrorAndNotACrash) {
  const std::string text = RunResultJson(SomeResult());
  for (std::size_t at = 0; at < text.size(); at += 7) {
    (void)ParseRunResult(text.substr(0, at));
    std::string broken = text;
    broken[at] = '7';
    (void)ParseRunResult(broken);
  }
}

TEST(RunResultFile, FilesAreReplacedAsAWhole) {
  std::string folder = testing::TempDir() + "run_result_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/result.json";
  ASSERT_TRUE(WriteTextFile(path, "old").ok());
  ASSERT_TRUE(WriteTextFile(path, RunResultJson(SomeResult())).ok());
  EXPECT_TRUE(ReadRunResult(path).ok());
  EXPECT_EQ(ReadRunResult(folder + "/none.json").status().code(), Code::kNotFound);
  const Status status = WriteTextFile(folder + "/no/folder.json", "x");
  EXPECT_NE(status.message().find("/no/folder.json"), std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cotenant
