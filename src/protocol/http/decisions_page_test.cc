/// GET /cotenant/v1/decisions, over a real server.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protocol/http/http_server_test.h"

namespace cotenant {
namespace {

nlohmann::json JsonOf(const HttpClient::Answer& answer) {
  return nlohmann::json::parse(answer.body);
}

TEST_F(HttpServerTest, DecisionsTellWhyARequestWasTakenInAndStarted) {
  Begin();
  HttpClient client(port_);
  ASSERT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);  // Its id is "7".
  const auto answer = client.Ask(Get("/cotenant/v1/decisions?request=7"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto decisions = JsonOf(answer)["decisions"];
  ASSERT_EQ(decisions.size(), 2U) << answer.body;
  EXPECT_EQ(decisions[0]["kind"], "admitted");
  EXPECT_EQ(decisions[0]["id"], "7");
  EXPECT_EQ(decisions[0]["model"], "echo");
  EXPECT_EQ(decisions[0]["tenant"], "default");
  EXPECT_EQ(decisions[1]["kind"], "started");
  EXPECT_EQ(decisions[1]["dispatch"], "edf");
  EXPECT_NE(decisions[1]["text"].get<std::string>().find("of echo"), std::string::npos);
  EXPECT_GE(decisions[1]["age_ms"].get<double>(), 0);
  // By our number, too.
  const std::string number = std::to_string(decisions[0]["request"].get<std::int64_t>());
  const auto again = client.Ask(Get("/cotenant/v1/decisions?request=" + number));
  EXPECT_EQ(JsonOf(again)["decisions"].size(), 2U);
  EXPECT_EQ(JsonOf(client.Ask(Get("/cotenant/v1/decisions?last=1")))["decisions"].size(), 1U);
  // The loads of the two models were decided as well.
  EXPECT_EQ(JsonOf(client.Ask(Get("/cotenant/v1/decisions")))["decisions"].size(), 4U);
}

TEST_F(HttpServerTest, WrongParametersForDecisionsAreNamed) {
  Begin();
  HttpClient client(port_);
  const struct {
    const char* query;
    int status;
    const char* error;
  } cases[] = {
      {"last=0", 400, "'last': expected a whole number from 1 to 100000, got '0'"},
      {"last=many", 400, "'last': expected a whole number from 1 to 100000, got 'many'"},
      {"first=1", 400, "unknown parameter 'first', expected last or request"},
      {"request=", 400, "'request': expected an id, or a request's number"},
      {"last=1&request=2", 400, "'last' and 'request' ask for different things: give one"},
      {"request=no%20such", 404,
       "nothing is kept of a request 'no such': unknown, or longer ago than the last 4096 "
       "decisions"},
  };
  for (const auto& test : cases) {
    const auto answer = client.Ask(Get(std::string("/cotenant/v1/decisions?") + test.query));
    EXPECT_EQ(answer.status, test.status) << test.query;
    EXPECT_EQ(JsonOf(answer)["error"], test.error);
  }
  EXPECT_EQ(client.Ask(Post("/cotenant/v1/decisions", "{}")).status, 405);
}

}  // namespace
}  // namespace cotenant
