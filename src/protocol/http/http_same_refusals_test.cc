// The table of refusals that both protocols share, over HTTP.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protocol/http/http_server_test.h"
#include "protocol/test_refusals.h"

namespace cotenant {
namespace {

std::string RequestOf(const RefusalCase& row) {
  const nlohmann::json input = {{"name", row.input},
                                {"shape", row.shape},
                                {"datatype", row.datatype},
                                {"parameters", {{"binary_data_size", row.bytes}}}};
  nlohmann::json request = {{"inputs", {input}}};
  for (const auto& [name, value] : row.parameters) request["parameters"][name] = value;
  const std::string head = request.dump();
  return Post("/v2/models/" + row.model + (row.version.empty() ? "" : "/versions/" + row.version) +
                  "/infer",
              head + std::string(row.bytes, '\0'),
              "Inference-Header-Content-Length: " + std::to_string(head.size()) + "\r\n");
}

TEST_F(HttpServerTest, RefusalsOfBothProtocolsHaveTheirStatusAndText) {
  PutRefusalModels(source_);
  Begin({}, RefusalNode());
  HttpClient client(port_);
  HttpClient running(port_);
  HttpClient waiting(port_);
  ASSERT_EQ(client.Ask(RequestOf({.model = "slow"})).status, 200);  // From now on it is known.
  Situation now = Situation::kIdle;
  for (const RefusalCase& row : RefusalCases()) {
    SCOPED_TRACE(row.name);
    if (now == Situation::kIdle && row.situation != now) {
      const std::uint64_t before = node_->Ends().accepted;
      gate_.Close();
      running.Send(RequestOf({}));
      gate_.AwaitWaiting(1);
      waiting.Send(RequestOf({.model = "narrow", .shape = {1, 4}}));
      while (node_->Ends().accepted < before + 2) std::this_thread::yield();
    }
    if (now != Situation::kDraining && row.situation == Situation::kDraining) node_->Drain([] {});
    now = row.situation;
    const auto answer = client.Ask(RequestOf(row));
    EXPECT_EQ(answer.status, row.http);
    const nlohmann::json body = nlohmann::json::parse(answer.body, nullptr, false);
    ASSERT_TRUE(body.is_object()) << answer.body;
    const std::string text = body.value("error", "");
    EXPECT_EQ(row.whole ? text : text.substr(0, row.text.size()), row.text);
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(answer.head.find("\r\nRetry-After: ") != std::string::npos, row.http == 503);
    EXPECT_EQ(body.contains("earliest_bound_ms"), row.offers_bound);
    if (!row.offers_bound) continue;
    RefusalCase offered = row;
    offered.parameters = {{"latency_bound_ms", body["earliest_bound_ms"].dump()}};
    const auto taken = client.Ask(RequestOf(offered));
    EXPECT_EQ(taken.status, 200) << taken.body;
  }
  gate_.Open();
  EXPECT_EQ(running.Read().status, 200);
  EXPECT_EQ(waiting.Read().status, 200);
}

}  // namespace
}  // namespace cotenant
