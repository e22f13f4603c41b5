#include "client/load_run.h"

#include <gtest/gtest.h>

#include "client/http_get.h"
#include "client/own_clock.h"
#include "client/socket_server_test.h"

namespace cotenant {
namespace {

constexpr const char* kMetadata =
    R"({"name": "net", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]})";

/// 200 requests in 0.2 s of one model and two tenants in turn.
Scenario SmallScenario() {
  Scenario scenario;
  scenario.name = "small";
  scenario.lasts = Duration::Milliseconds(200);
  scenario.node.tenants.resize(2);
  scenario.node.tenants[1].name = "shop";
  scenario.node.tenants[1].latency_bound = Duration::Seconds(5);
  scenario.models.resize(1);
  scenario.models[0].name = "net";
  for (std::size_t tenant = 0; tenant < 2; ++tenant) {
    LoadSource& source = scenario.sources.emplace_back();
    source.tenant = tenant;
    source.arrivals = ConstantArrivals{Duration::Milliseconds(2)};
  }
  return scenario;
}

class LoadRunTest : public testing::Test {
 protected:
  RunResult Play(SocketServer& server) {
    const ServerUrl url = server.url();
    const ServerAddress address = server.address();
    options_.lasts = scenario_.lasts;
    Result<BodiesByModel> bodies = PrepareBodies(scenario_, url, address, 1);
    EXPECT_TRUE(bodies.ok()) << bodies.status().message();
    if (!bodies.ok()) return {};
    LoadRun run(scenario_, *bodies, url, address, options_);
    Result<RunResult> result = run.Run();
    EXPECT_TRUE(result.ok());
    return *result;
  }

  static SocketServer::Answerer Answers(SocketServer::Answerer infer) {
    return [infer = std::move(infer)](const TestRequest& request) -> std::optional<std::string> {
      if (request.head.starts_with("GET")) return SocketServer::Answer(200, kMetadata);
      return infer(request);
    };
  }

  Scenario scenario_ = SmallScenario();
  LoadOptions options_;
};

TEST_F(LoadRunTest, EveryArrivalIsSentOnceAndCountedWithItsTenant) {
  SocketServer server(Answers([](const TestRequest&) { return SocketServer::Answer(200, "{}"); }));
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.requests, 200U);
  EXPECT_EQ(result.all.Ended(RunEnd::kReplied), 200U);
  EXPECT_EQ(result.tenants[0].requests, 100U);
  EXPECT_EQ(result.tenants[0].bounded, 0U);
  EXPECT_EQ(result.tenants[1].bounds_met, 100U);
  EXPECT_EQ(result.models[0].requests, 200U);
  EXPECT_GT(result.all.latency.p50, Duration());
  std::size_t with_tenant = 0;
  for (const TestRequest& request : server.requests()) {
    const bool named = request.head.find("X-Tenant: shop\r\n") != std::string::npos;
    EXPECT_EQ(named, request.head.find("X-Latency-Bound-Ms: 5000\r\n") != std::string::npos);
    if (named) ++with_tenant;
  }
  EXPECT_EQ(with_tenant, 100U);
  EXPECT_TRUE(result.wall);
  EXPECT_GE(result.wall->took, scenario_.lasts);
}

TEST_F(LoadRunTest, ErrorsAreCountedByWhatTheyMean) {
  std::atomic<int> count = 0;
  SocketServer server(Answers([&](const TestRequest&) -> std::optional<std::string> {
    switch (count++ % 4) {
      case 0: return SocketServer::Answer(503, R"({"error": "Exceeds maximum queue size"})");
      case 1: return SocketServer::Answer(504, R"({"error": "late"})");
      case 2: return SocketServer::Answer(500, R"({"error": "the network failed"})");
      default: return "";
    }
  }));
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.requests, 200U);
  EXPECT_EQ(result.all.Ended(RunEnd::kRejected), 50U);
  EXPECT_EQ(result.all.rejected[static_cast<std::size_t>(RejectReason::kQueueFull)], 50U);
  EXPECT_EQ(result.all.Ended(RunEnd::kExpired), 50U);
  EXPECT_EQ(result.all.Ended(RunEnd::kFailed), 50U);
  EXPECT_EQ(result.all.Ended(RunEnd::kBroken), 50U);
  EXPECT_EQ(result.tenants[1].bounds_met, 0U);
  ASSERT_EQ(result.errors.size(), 2U);
  EXPECT_EQ(result.errors[0].first, "HTTP 500: the network failed");
}

TEST_F(LoadRunTest, RequestsAreSentInTimeThoughNoneIsAnswered) {
  options_.grace = Duration::Milliseconds(50);
  SocketServer server(Answers([](const TestRequest&) { return std::nullopt; }));
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.Ended(RunEnd::kUnanswered), 200U);
  EXPECT_EQ(result.wall->connections_peak, 200U);
  EXPECT_EQ(server.requests().size(), 201U);
}

TEST_F(LoadRunTest, BeyondTheLastConnectionRequestsWaitAndTheirLatencyCountsOn) {
  options_.connections_max = 2;
  scenario_.lasts = Duration::Milliseconds(100);
  const Instant started = OwnClockNow();
  // Nobody is answered in the first 300 ms.
  std::atomic<bool> waited = false;
  SocketServer server(Answers([&](const TestRequest&) {
    while (!waited && OwnClockNow() - started < Duration::Milliseconds(300)) {
      std::this_thread::yield();
    }
    waited = true;
    return SocketServer::Answer(200, "{}");
  }));
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.Ended(RunEnd::kReplied), 100U);
  EXPECT_EQ(result.wall->connections_peak, 2U);
  EXPECT_GE(result.wall->waited_for_connection, 90U);
  EXPECT_GT(result.all.latency.greatest, Duration::Milliseconds(200));
  EXPECT_GT(result.all.latency.p50, Duration::Milliseconds(100));
  // This thread was in time all the same.
  EXPECT_LT(result.wall->late_p50, Duration::Milliseconds(50));
}

TEST_F(LoadRunTest, ClientsThatVanishCloseTheirConnections) {
  scenario_.sources.resize(1);
  scenario_.sources[0].gone_per_mille = 1000;
  scenario_.sources[0].gone_after_max = Duration::Milliseconds(5);
  SocketServer server(Answers([](const TestRequest&) { return std::nullopt; }));
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.requests, 100U);
  EXPECT_EQ(result.all.Ended(RunEnd::kGone), 100U);
  EXPECT_EQ(result.all.bounded, 0U);
  EXPECT_GE(result.wall->connections_opened, 90U);
}

TEST_F(LoadRunTest, ConnectionsAreUsedAgainUnlessTheServerClosesThem) {
  for (const bool closes : {false, true}) {
    const std::string field = closes ? "Connection: close\r\n" : "";
    SocketServer server(
        Answers([&](const TestRequest&) { return SocketServer::Answer(200, "{}", field); }));
    const RunResult result = Play(server);
    EXPECT_EQ(result.all.Ended(RunEnd::kReplied), 200U);
    if (closes) {
      EXPECT_GE(result.wall->connections_opened, 200U);
    } else {
      EXPECT_LT(result.wall->connections_opened, 100U);
    }
  }
}

TEST_F(LoadRunTest, AServerThatGoesAwayBreaksTheRequestsAndNotTheRun) {
  SocketServer asked(Answers([](const TestRequest&) { return std::nullopt; }));
  const Result<BodiesByModel> bodies = PrepareBodies(scenario_, asked.url(), asked.address(), 1);
  ServerUrl url;
  ServerAddress address;
  {
    SocketServer gone(Answers([](const TestRequest&) { return std::nullopt; }));
    url = gone.url();
    address = gone.address();
  }
  options_.lasts = scenario_.lasts;
  LoadRun run(scenario_, *bodies, url, address, options_);
  const RunResult result = *run.Run();
  EXPECT_EQ(result.all.Ended(RunEnd::kBroken), 200U);
  ASSERT_FALSE(result.errors.empty());
  EXPECT_EQ(result.errors[0].first, "connecting: Connection refused");
}

TEST_F(LoadRunTest, StoppedEarlyItKeepsWhatItHas) {
  scenario_.lasts = Duration::Seconds(600);
  static volatile std::sig_atomic_t stop = 0;
  options_.stop = &stop;
  options_.progress = [](const LoadProgress&) { stop = 1; };
  SocketServer server(Answers([](const TestRequest&) { return SocketServer::Answer(200, "{}"); }));
  const RunResult result = Play(server);
  EXPECT_GE(result.all.requests, 900U);
  EXPECT_EQ(result.all.requests, result.all.Ended(RunEnd::kReplied));
  EXPECT_LT(result.lasts, Duration::Seconds(60));
}

TEST_F(LoadRunTest, TheWarmUpIsNotCounted) {
  options_.warm_up = Duration::Milliseconds(100);
  SocketServer server(Answers([](const TestRequest&) { return SocketServer::Answer(200, "{}"); }));
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.requests, 200U);
  EXPECT_EQ(server.requests().size(), 301U);
}

TEST_F(LoadRunTest, LargeBodiesGoOutWhileAnswersComeIn) {
  const std::string metadata =
      R"({"inputs": [{"name": "x", "datatype": "UINT8", "shape": [3000000]}]})";
  scenario_.sources.resize(1);
  scenario_.sources[0].arrivals = ConstantArrivals{Duration::Milliseconds(20)};
  std::atomic<int> whole = 0;
  SocketServer server([&](const TestRequest& request) -> std::optional<std::string> {
    if (request.head.starts_with("GET")) return SocketServer::Answer(200, metadata);
    if (request.body.size() > 3'000'000) ++whole;
    return SocketServer::Answer(200, std::string(100'000, 'x'));
  });
  const RunResult result = Play(server);
  EXPECT_EQ(result.all.Ended(RunEnd::kReplied), result.all.requests);
  EXPECT_EQ(static_cast<std::uint64_t>(whole), result.all.requests);
}

TEST_F(LoadRunTest, AModelThatIsNotThereIsNamedWithTheServersWords) {
  SocketServer server([](const TestRequest&) {
    return SocketServer::Answer(404, R"({"error": "unknown model"})");
  });
  const Result<BodiesByModel> bodies = PrepareBodies(scenario_, server.url(), server.address(), 1);
  ASSERT_FALSE(bodies.ok());
  EXPECT_EQ(bodies.status().message(), "model 'net': the server answers HTTP 404: unknown model");
}

TEST_F(LoadRunTest, ReadinessIsAwaitedAndItsAbsenceSaid) {
  std::atomic<int> count = 0;
  SocketServer server(
      [&](const TestRequest&) { return SocketServer::Answer(count++ < 2 ? 400 : 200, ""); });
  EXPECT_TRUE(AwaitReady(server.url(), server.address(), Duration::Seconds(20)).ok());
  SocketServer never([](const TestRequest&) { return SocketServer::Answer(400, ""); });
  const Status status = AwaitReady(never.url(), never.address(), Duration());
  EXPECT_NE(status.message().find("not ready: HTTP 400"), std::string::npos);
}

}  // namespace
}  // namespace cotenant
