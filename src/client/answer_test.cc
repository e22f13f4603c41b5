#include "client/answer.h"

#include <gtest/gtest.h>

#include "client/load_run.h"
#include "client/request_head.h"
#include "client/server_url.h"

namespace cotenant {
namespace {

TEST(Answer, AGoodOneTellsWhetherItWasColdAndWhichVariantAnswered) {
  const ServedBy cold = ServedByOf(
      R"({"model_name":"m","parameters":{"queue_ms":0.1,"start":"cold","variant":"int8"}})");
  EXPECT_TRUE(cold.cold);
  EXPECT_EQ(cold.variant, "int8");
  const ServedBy warm =
      ServedByOf(R"({"parameters":{"queue_ms":0.1,"start":"warm"},"outputs":[]})");
  EXPECT_FALSE(warm.cold);
  EXPECT_EQ(warm.variant, "");
  // A cut answer, one without parameters, and an output that looks like them.
  EXPECT_FALSE(ServedByOf(R"({"parameters":{"queue_ms":0.1,"start":"col)").cold);
  EXPECT_FALSE(ServedByOf("").cold);
  EXPECT_FALSE(ServedByOf(R"({"outputs":[{"name":"\"start\":\"cold\""}]})").cold);
}

TEST(Answer, StatusAndWordsTellTheEndAndTheReason) {
  constexpr auto kNumber = [](RejectReason reason) { return static_cast<std::size_t>(reason); };
  const struct {
    int status;
    std::string_view body;
    RunEnd end;
    std::size_t reason;
    bool shown;
  } cases[] = {
      {200, "", RunEnd::kReplied, kOtherReason, false},
      {504, R"({"error":"passed"})", RunEnd::kExpired, kOtherReason, false},
      {503, R"({"error":"Exceeds maximum queue size"})", RunEnd::kRejected,
       kNumber(RejectReason::kQueueFull), false},
      {503, R"({"error":"the latency bound of 1 ms cannot be met now; the smallest"})",
       RunEnd::kRejected, kNumber(RejectReason::kNotFeasible), false},
      {503, R"({"error":"Request timeout expired"})", RunEnd::kRejected,
       kNumber(RejectReason::kQueueTimeout), false},
      {503, R"({"error":"the server is shutting down and takes no new requests"})",
       RunEnd::kRejected, kNumber(RejectReason::kDraining), false},
      {503, R"({"error":"the model was unloaded before the request reached it"})",
       RunEnd::kRejected, kNumber(RejectReason::kModelUnloaded), false},
      {429, "slow down", RunEnd::kRejected, kOtherReason, true},
      {507, "{}", RunEnd::kRejected, kOtherReason, true},
      {400, "[", RunEnd::kFailed, kOtherReason, true},
      {500, "", RunEnd::kFailed, kOtherReason, true},
      {301, "", RunEnd::kFailed, kOtherReason, true},
  };
  for (const auto& c : cases) {
    const AnswerMeaning meaning = MeaningOf(c.status, c.body);
    EXPECT_EQ(meaning.end, c.end) << c.status << c.body;
    EXPECT_EQ(meaning.reason, c.reason) << c.status << c.body;
    EXPECT_EQ(meaning.shown, c.shown) << c.status << c.body;
  }
}

TEST(ServerUrl, HostPortAndPrefixAreRead) {
  const ServerUrl plain = *ParseServerUrl("http://localhost:8000/");
  EXPECT_EQ(plain.host, "localhost");
  EXPECT_EQ(plain.port, 8000);
  EXPECT_EQ(plain.authority, "localhost:8000");
  EXPECT_EQ(plain.prefix, "");
  const ServerUrl six = *ParseServerUrl("http://[::1]:9000/a/b/");
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.port, 9000);
  EXPECT_EQ(six.prefix, "/a/b");
  EXPECT_EQ(ParseServerUrl("box")->port, 80);
}

TEST(ServerUrl, WhatIsNoUrlIsRefused) {
  for (const char* text :
       {"", "http://", "http://:80", "http://h:x", "http://h:0", "http://h:99999", "ftp://h",
        "https://h", "http://u@h", "http://h h", "http://[::1", "http://h?q", "http://[::1]x"}) {
    EXPECT_FALSE(ParseServerUrl(text).ok()) << text;
  }
}

TEST(RequestHead, TenantAndBoundAreSentUnlessTurnedOff) {
  Scenario scenario;
  scenario.models.resize(1);
  scenario.models[0].name = "a net";
  scenario.node.tenants.resize(2);
  scenario.node.tenants[1].name = "shop";
  const ServerUrl url = *ParseServerUrl("http://h:1/p");
  const Duration bound = Duration::Nanoseconds(12'000'500);
  RequestHeads both(scenario, url, true, true);
  EXPECT_EQ(both.Write(0, 1, bound, 10, 20),
            "POST /p/v2/models/a%20net/infer HTTP/1.1\r\nHost: h:1\r\n"
            "Content-Type: application/octet-stream\r\nX-Tenant: shop\r\n"
            "X-Latency-Bound-Ms: 12.000500\r\nInference-Header-Content-Length: 10\r\n"
            "Content-Length: 20\r\n\r\n");
  EXPECT_EQ(both.Write(0, 0, Duration(), 1, 2).find("X-"), std::string_view::npos);
  RequestHeads none(scenario, url, false, false);
  EXPECT_EQ(none.Write(0, 1, bound, 1, 2).find("X-"), std::string_view::npos);
}

}  // namespace
}  // namespace cotenant
