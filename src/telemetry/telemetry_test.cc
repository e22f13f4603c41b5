#include "telemetry/telemetry.h"

#include <allocation_count.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "telemetry/counter_tables.h"
#include "telemetry/page_reader_test.h"

namespace cotenant {
namespace {

RequestRecord Replied(TenantId tenant = TenantId{0}) {
  RequestRecord record;
  record.tenant = tenant;
  record.rows = 2;
  record.queue = Duration::Microseconds(30);
  record.compute_input = Duration::Microseconds(1);
  record.compute_infer = Duration::Microseconds(100);
  record.compute_output = Duration::Microseconds(2);
  record.total = Duration::Microseconds(140);
  record.bounded = true;
  record.bound_met = true;
  record.wall_milliseconds = 1'700'000'000'000;
  return record;
}

RequestRecord Ended(End end, RejectReason reason) {
  RequestRecord record;
  record.end = end;
  record.reason = reason;
  record.total = Duration::Microseconds(50);
  return record;
}

RunRecord RunOf(std::int32_t rows) {
  RunRecord run;
  run.rows = rows;
  run.compute_infer = Duration::Microseconds(100);
  return run;
}

TEST(Telemetry, RequestsOfEveryEndAreOnThePageOnce) {
  Telemetry telemetry;
  telemetry.SetTenants({"default", "camera"});
  auto counters = telemetry.ForModel("mlp", "1");
  counters->RequestEnded(Replied());
  counters->RequestEnded(Replied(TenantId{1}));
  counters->RequestEnded(Replied(TenantId{1}));
  counters->RequestEnded(Ended(End::kRejected, RejectReason::kNotFeasible));
  counters->RequestEnded(Ended(End::kExpired, RejectReason::kQueueTimeout));
  counters->RequestEnded(Ended(End::kCancelled, RejectReason::kQueueFull));
  counters->RequestEnded(Ended(End::kFailed, RejectReason::kQueueFull));
  const PageReader page(telemetry.Exposition({}));
  const auto requests = [&](const char* tenant, const char* end, const char* reason) {
    return page.Value(std::string("cotenant_requests_total{model=\"mlp\",version=\"1\",tenant=\"") +
                      tenant + "\",end=\"" + end + "\",reason=\"" + reason + "\"}");
  };
  EXPECT_EQ(requests("default", "replied", "none"), 1);
  EXPECT_EQ(requests("camera", "replied", "none"), 2);
  EXPECT_EQ(requests("default", "rejected", "not_feasible"), 1);
  EXPECT_EQ(requests("default", "expired", "queue_timeout"), 1);
  EXPECT_EQ(requests("default", "cancelled", "none"), 1);
  EXPECT_EQ(requests("default", "failed", "none"), 1);
  double all = 0;
  for (const auto& [series, value] : page.values()) {
    if (series.starts_with("cotenant_requests_total")) all += value;
  }
  EXPECT_EQ(all, 7);
  EXPECT_EQ(page.Value("cotenant_rows_total{model=\"mlp\",version=\"1\",tenant=\"camera\"}"), 4);
  EXPECT_EQ(page.Value("cotenant_bounds_total{model=\"mlp\",version=\"1\",tenant=\"camera\","
                       "met=\"true\"}"),
            2);
  EXPECT_EQ(page.Value("nv_inference_request_success{model=\"mlp\",version=\"1\"}"), 3);
  EXPECT_EQ(page.Value("nv_inference_count{model=\"mlp\",version=\"1\"}"), 6);
  for (const auto& [reason, count] : {std::pair("REJECTED", 2), {"CANCELED", 1}, {"BACKEND", 1}}) {
    EXPECT_EQ(page.Value("nv_inference_request_failure{model=\"mlp\",version=\"1\",reason=\"" +
                         std::string(reason) + "\"}"),
              count);
  }
  EXPECT_EQ(page.Value("nv_inference_request_duration_us{model=\"mlp\",version=\"1\"}"), 420);
}

TEST(Telemetry, DurationsAreInTheBucketsThatTheirBoundsSay) {
  Telemetry telemetry;
  auto counters = telemetry.ForModel("m", "3");
  counters->RequestEnded(Replied());  // 140 µs
  const PageReader page(telemetry.Exposition({}));
  const std::string labels = "{model=\"m\",version=\"3\",tenant=\"default\"";
  const std::string bucket = "cotenant_request_duration_seconds_bucket" + labels + ",le=\"";
  EXPECT_EQ(page.Value(bucket + "0.000128\"}"), 0);
  EXPECT_EQ(page.Value(bucket + "0.000256\"}"), 1);
  EXPECT_EQ(page.Value(bucket + "+Inf\"}"), 1);
  EXPECT_EQ(page.Value("cotenant_request_duration_seconds_sum" + labels + "}"), 0.00014);
  EXPECT_EQ(page.Value("nv_inference_request_summary_us{model=\"m\",version=\"3\","
                       "quantile=\"0.99\"}"),
            160);
}

TEST(Telemetry, StatisticsPairCountsWithTimesAndListBatchesByRows) {
  ModelCounters counters("m", "1");
  counters.RequestEnded(Replied());
  counters.RequestEnded(Ended(End::kFailed, RejectReason::kQueueFull));
  for (std::int32_t rows : {8, 1, 8}) counters.RunEnded(RunOf(rows));
  RunRecord failed = RunOf(1);
  failed.failed = true;
  counters.RunEnded(failed);
  const ModelStatistics statistics = counters.Statistics();
  EXPECT_EQ(statistics.last_inference_milliseconds, 1'700'000'000'000u);
  EXPECT_EQ(statistics.inference_count, 2u);
  EXPECT_EQ(statistics.execution_count, 4u);
  EXPECT_EQ(statistics.success.count, 1u);
  EXPECT_EQ(statistics.success.nanoseconds, 140'000u);
  EXPECT_EQ(statistics.fail.count, 1u);
  EXPECT_EQ(statistics.fail.nanoseconds, 50'000u);
  EXPECT_EQ(statistics.queue.nanoseconds, 30'000u);
  EXPECT_EQ(statistics.compute_infer.count, 1u);
  EXPECT_EQ(statistics.compute_infer.nanoseconds, 100'000u);
  ASSERT_EQ(statistics.batches.size(), 2u);
  EXPECT_EQ(statistics.batches[0].rows, 1u);
  EXPECT_EQ(statistics.batches[1].rows, 8u);
  EXPECT_EQ(statistics.batches[1].compute_infer.count, 2u);
}

TEST(Telemetry, MoreBatchSizesThanPlacesLeaveLaterOnesOut) {
  ModelCounters counters("m", "1");
  for (std::int32_t rows = 1; rows <= 1000; ++rows) counters.RunEnded(RunOf(rows));
  EXPECT_EQ(counters.Statistics().batches.size(), kBatchRowsMax);
  EXPECT_EQ(counters.Statistics().execution_count, 1000u);
}

TEST(Telemetry, LabelSetsStayBoundedForEndlessModelsAndTenants) {
  Telemetry telemetry;
  for (std::size_t i = 0; i < kMeteredModelsMax + 50; ++i) {
    telemetry.ForModel("m" + std::to_string(i), "1")->RunEnded(RunOf(1));
  }
  EXPECT_EQ(telemetry.ForModel("new", "1"), telemetry.ForModel("newer", "7"));
  for (std::uint32_t i = 0; i < 100'000; i += 100) {
    telemetry.ForModel("m0", "1")->RequestEnded(Replied(TenantId{i}));
  }
  const PageReader page(telemetry.Exposition({}));
  EXPECT_EQ(page.Value("cotenant_runs_total{model=\"other\",version=\"other\"}"), 50);
  EXPECT_EQ(page.Value("cotenant_rows_total{model=\"m0\",version=\"1\",tenant=\"other\"}"), 1996);
}

TEST(Telemetry, AReloadOfTheSameVersionGoesOnCounting) {
  Telemetry telemetry;
  telemetry.ForModel("m", "1")->RequestEnded(Replied());
  auto again = telemetry.ForModel("m", "1");
  again->RequestEnded(Replied());
  EXPECT_EQ(again->Statistics().success.count, 2u);
}

TEST(Telemetry, LabelsFromOutsideAreEscaped) {
  Telemetry telemetry;
  telemetry.ForModel("a\"b\\c\nd", "1")->RunEnded(RunOf(1));
  const PageReader page(telemetry.Exposition({}));
  EXPECT_EQ(page.Value("cotenant_runs_total{model=\"a\\\"b\\\\c\\nd\",version=\"1\"}"), 1);
}

TEST(Telemetry, ConnectionsAndRefusalsAreCountedByProtocol) {
  Telemetry telemetry;
  telemetry.ConnectionOpened(Protocol::kHttp);
  telemetry.ConnectionOpened(Protocol::kHttp);
  telemetry.ConnectionClosed(Protocol::kHttp);
  telemetry.CountRefused(Protocol::kHttp, 400);
  telemetry.CountRefused(Protocol::kGrpc, 3);
  telemetry.CountRefused(Protocol::kGrpc, -1);
  NodeGauges gauges;
  gauges.ready = true;
  gauges.accepted = 12;
  gauges.models = {{"m", "1", 3, 4096, 8192, 0, true, {{"default", false, 2}, {"int8", true, 5}}}};
  const PageReader page(telemetry.Exposition(gauges));
  EXPECT_EQ(page.Value("cotenant_connections{protocol=\"http\"}"), 1);
  EXPECT_EQ(page.Value("cotenant_opened_connections_total{protocol=\"http\"}"), 2);
  EXPECT_EQ(page.Value("cotenant_refused_requests_total{protocol=\"http\",status=\"400\"}"), 1);
  EXPECT_EQ(page.Value("cotenant_refused_requests_total{protocol=\"grpc\",status=\"3\"}"), 1);
  EXPECT_EQ(page.Value("cotenant_refused_requests_total{protocol=\"grpc\",status=\"other\"}"), 1);
  EXPECT_EQ(page.Value("cotenant_ready"), 1);
  EXPECT_EQ(page.Value("cotenant_accepted_requests_total"), 12);
  EXPECT_EQ(page.Value("cotenant_waiting_requests{model=\"m\",version=\"1\"}"), 3);
  EXPECT_EQ(page.Value("cotenant_model_memory_bytes{model=\"m\",version=\"1\",kind=\"mapped\"}"),
            8192);
  const auto of = [&](const std::string& name, const std::string& variant) {
    return page.Value("cotenant_variant_" + name + "{model=\"m\",version=\"1\",variant=\"" +
                      variant + "\"}");
  };
  EXPECT_EQ(of("resident", "default"), 0);
  EXPECT_EQ(of("resident", "int8"), 1);
  EXPECT_EQ(of("runs_total", "int8"), 5);
}

TEST(Telemetry, ProtocolThatCountsForItselfIsAskedForEachPage) {
  Telemetry telemetry;
  std::uint64_t asked = 0;
  telemetry.AskProtocol(Protocol::kGrpc, [&] { return ProtocolFacts{++asked}; });
  const char* const open = "cotenant_connections{protocol=\"grpc\"}";
  EXPECT_EQ(PageReader(telemetry.Exposition({})).Value(open), 1);
  EXPECT_EQ(PageReader(telemetry.Exposition({})).Value(open), 2);
  telemetry.AskProtocol(Protocol::kGrpc, {});
  EXPECT_EQ(PageReader(telemetry.Exposition({})).Value(open), 0);
  EXPECT_EQ(asked, 2U);
}

TEST(Telemetry, TheProcessAndTheMachineAreOnThePage) {
  Telemetry telemetry;
  const PageReader page(telemetry.Exposition({}));
  EXPECT_GT(page.Value("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(page.Value("process_anonymous_memory_bytes"), 1e5);
  EXPECT_GT(page.Value("process_cpu_seconds_total"), 0);
  EXPECT_GE(page.Value("process_open_fds"), 3);
  EXPECT_GE(page.Value("process_threads"), 1);
  EXPECT_GT(page.Value("process_start_time_seconds"), 1.6e9);
  EXPECT_GT(page.Value("nv_cpu_memory_total_bytes"), page.Value("nv_cpu_memory_used_bytes"));
  EXPECT_GE(page.Value("nv_cpu_utilization"), 0);
  EXPECT_LE(page.Value("nv_cpu_utilization"), 1);
}

TEST(Telemetry, RecordingAllocatesOnlyForATenantsFirstRequest) {
  Telemetry telemetry;
  auto counters = telemetry.ForModel("m", "1");
  counters->RequestEnded(Replied());
  const std::uint64_t before = AllocationCount();
  for (std::int32_t i = 1; i < 1000; ++i) {
    counters->RequestEnded(Replied());
    counters->RunEnded(RunOf(i));
    telemetry.CountRefused(Protocol::kHttp, 400 + i % 100);
    telemetry.ConnectionOpened(Protocol::kHttp);
  }
  EXPECT_EQ(AllocationCount(), before);
}

TEST(Telemetry, NothingIsLostOrTornWhileThreadsRecordAndOthersRead) {
  Telemetry telemetry;
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto counters = telemetry.ForModel("m", "1");
      for (int i = 0; i < kEach; ++i) {
        counters->RequestEnded(Replied(TenantId{static_cast<std::uint32_t>((t + i) % 3)}));
        counters->RunEnded(RunOf(1 + i % 16));
      }
      done.fetch_add(1);
    });
  }
  std::uint64_t last = 0;
  while (done.load() < kThreads) {
    const PageReader page(telemetry.Exposition({}));
    const std::uint64_t now = telemetry.ForModel("m", "1")->Statistics().success.count;
    EXPECT_GE(now, last);
    last = now;
  }
  for (std::thread& thread : threads) thread.join();
  const ModelStatistics statistics = telemetry.ForModel("m", "1")->Statistics();
  EXPECT_EQ(statistics.success.count, std::uint64_t{kThreads * kEach});
  EXPECT_EQ(statistics.success.nanoseconds, std::uint64_t{kThreads * kEach} * 140'000);
  EXPECT_EQ(statistics.execution_count, std::uint64_t{kThreads * kEach});
  std::uint64_t batches = 0;
  for (const auto& batch : statistics.batches) batches += batch.compute_infer.count;
  EXPECT_EQ(batches, std::uint64_t{kThreads * kEach});
}

TEST(Telemetry, PromtoolFindsNothingToSayOfOurOwnNames) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool is not installed (tools/setup test fetches it)";
  }
  Telemetry telemetry;
  telemetry.SetTenants({"default", "camera"});
  auto counters = telemetry.ForModel("m", "1");
  counters->RequestEnded(Replied(TenantId{1}));
  counters->RunEnded(RunOf(2));
  telemetry.CountRefused(Protocol::kGrpc, 3);
  NodeGauges gauges;
  gauges.models = {{"m", "1", 3, 4096, 8192}};
  std::istringstream lines(telemetry.Exposition(gauges));
  const std::string path = testing::TempDir() + "/page.txt";
  std::ofstream file(path);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("nv_") == std::string::npos) file << line << '\n';
  }
  file.close();
  FILE* tool = popen(("promtool check metrics 2>&1 <" + path).c_str(), "r");
  ASSERT_NE(tool, nullptr);
  std::string said;
  for (int c = std::fgetc(tool); c != EOF; c = std::fgetc(tool)) said += static_cast<char>(c);
  EXPECT_EQ(pclose(tool), 0);
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace cotenant
