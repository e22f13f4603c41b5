/// GET /cotenant/v1/memory, and what a budget shows of itself, over a real server.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protocol/http/http_server_test.h"

namespace cotenant {
namespace {

nlohmann::json JsonOf(const HttpClient::Answer& answer) {
  return nlohmann::json::parse(answer.body);
}

/// For models and their runs.
NodeOptions Budget(Bytes models) {
  NodeOptions options;
  options.memory = {models + Bytes::MiB(30), Bytes::MiB(20), Bytes::MiB(10), models};
  options.scheduler.memory = models;
  options.scheduler.run_peak_floor = Bytes::KiB(64);
  return options;
}

std::string Taking(std::int64_t mebibytes) {
  return "anonymous_bytes = " + std::to_string(mebibytes << 20);
}

TEST_F(HttpServerTest, MemoryWithoutABudgetIsShownAllTheSame) {
  Begin();
  HttpClient client(port_);
  ASSERT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
  const auto answer = client.Ask(Get("/cotenant/v1/memory"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto memory = JsonOf(answer);
  EXPECT_TRUE(memory["budget"].is_null());
  ASSERT_EQ(memory["models"].size(), 2U);
  const auto& echo = memory["models"][0];
  EXPECT_EQ(echo["name"], "echo");
  EXPECT_EQ(echo["state"], "resident");
  EXPECT_EQ(echo["loads"], 1);
  EXPECT_EQ(echo["cold_starts"], 0);
  EXPECT_GE(echo["unused_seconds"].get<double>(), 0);
  EXPECT_TRUE(memory["models"][1]["unused_seconds"].is_null());
  EXPECT_GT(memory["process"]["resident"], 1'000'000);
  EXPECT_GE(memory["process"]["resident_peak"], memory["process"]["resident"]);
  EXPECT_GT(memory["available"], 0);
  EXPECT_EQ(client.Ask(Post("/cotenant/v1/memory", "")).status, 405);
}

TEST_F(HttpServerTest, ColdAndWarmStartsAreToldAndCounted) {
  source_.Put(EchoConfig("other"), Taking(60));
  source_.Put(EchoConfig("third"), Taking(60));
  Begin({}, Budget(Bytes::MiB(100)));
  HttpClient client(port_);
  const auto start = [&](const std::string& model) {
    const auto answer =
        client.Ask(Post("/v2/models/" + model + "/infer", kJson, "X-Tenant: default\r\n"));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return JsonOf(answer)["parameters"]["start"].get<std::string>();
  };
  start("other");
  EXPECT_EQ(start("third"), "cold");
  EXPECT_EQ(start("third"), "warm");
  EXPECT_EQ(start("other"), "cold");
  const auto memory = JsonOf(client.Ask(Get("/cotenant/v1/memory")));
  EXPECT_EQ(memory["budget"]["total"], 130 << 20);
  EXPECT_EQ(memory["budget"]["models"], 100 << 20);
  EXPECT_EQ(memory["ledger"]["models"], 60 << 20);
  EXPECT_GE(memory["ledger"]["free"], 0);
  for (const auto& model : memory["models"]) {
    if (model["name"] == "third") {
      EXPECT_EQ(model["state"], "out");
      EXPECT_GE(model["evictions"], 1);
      EXPECT_GE(model["cold_starts"], 1);
      EXPECT_EQ(model["anonymous"], 60 << 20);
    }
  }
  const std::string page = client.Ask(Get("/metrics")).body;
  for (const char* line :
       {"cotenant_memory_budget_bytes 136314880\n",
        "cotenant_memory_part_bytes{part=\"models\"} 104857600\n",
        "cotenant_memory_ledger_bytes{kind=\"models\"} 62914560\n",
        "cotenant_model_resident{model=\"third\",version=\"1\"} 0\n",
        "cotenant_model_memory_bytes{model=\"third\",version=\"1\",kind=\"anonymous\"} 0\n",
        "cotenant_model_resident{model=\"other\",version=\"1\"} 1\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
}

TEST_F(HttpServerTest, ModelThatCanNeverFitIsRefusedWithTheSizes) {
  source_.Put(EchoConfig("vast"), Taking(200));
  Begin({}, Budget(Bytes::MiB(100)));
  HttpClient client(port_);
  for (const std::string& request : {Post("/v2/models/vast/infer", kJson),
                                     Post("/v2/models/vast/infer", std::string(16, 'x'),
                                          "Inference-Header-Content-Length: 0\r\n"),
                                     Get("/v2/models/vast")}) {
    const auto answer = client.Ask(request);
    EXPECT_EQ(answer.status, 507) << answer.body;
    EXPECT_NE(answer.body.find("200.0 MiB loaded, of 100.0 MiB"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(client.Ask(Get("/v2/models/vast/ready")).status, 400);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
}

}  // namespace
}  // namespace cotenant
