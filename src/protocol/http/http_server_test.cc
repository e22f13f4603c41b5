#include "protocol/http/http_server.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "protocol/http/body_reader.h"
#include "protocol/http/http_server_test.h"

namespace cotenant {
namespace {

nlohmann::json JsonOf(const HttpClient::Answer& answer) {
  return nlohmann::json::parse(answer.body);
}

std::string ErrorOf(const HttpClient::Answer& answer) { return JsonOf(answer).value("error", ""); }

TEST_F(HttpServerTest, JsonGoesInAndComesOut) {
  Begin();
  HttpClient client(port_);
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Ask(Post(kInfer, kJson));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body,
              R"({"id":"7","model_name":"echo","model_version":"1","outputs":[{"name":"y",)"
              R"("datatype":"FP32","shape":[4],"data":[1.0,2.5,3.0,-4.0]}]})");
  }
}

TEST_F(HttpServerTest, BinaryTensorsGoInAndComeOut) {
  Begin();
  const std::vector<float> values = {1, 2, 3, 4};
  const std::string raw(reinterpret_cast<const char*>(values.data()), 16);
  const std::string json = R"({"inputs":[{"name":"x","shape":[4],"datatype":"FP32",)"
                           R"("parameters":{"binary_data_size":16}}],)"
                           R"("parameters":{"binary_data_output":true}})";
  HttpClient client(port_);
  const auto answer =
      client.Ask(Post(kInfer, json + raw,
                      "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::size_t at = answer.head.find("Inference-Header-Content-Length: ");
  ASSERT_NE(at, std::string::npos);
  const std::size_t length = std::stoul(answer.head.substr(at + 33));
  EXPECT_EQ(answer.body.substr(length), raw);
  const auto head = nlohmann::json::parse(answer.body.substr(0, length));
  EXPECT_EQ(head["outputs"][0]["parameters"]["binary_data_size"], 16);

  const auto raw_answer = client.Ask(Post(kInfer, raw, "Inference-Header-Content-Length: 0\r\n"));
  ASSERT_EQ(raw_answer.status, 200) << raw_answer.body;
  EXPECT_EQ(raw_answer.body.substr(raw_answer.body.size() - 16), raw);
}

TEST_F(HttpServerTest, ALargeBodyThatComesInPiecesIsWhole) {
  Begin();
  const std::string raw(800'000, '\x3f');
  const std::string request =
      Post("/v2/models/wide/infer", raw, "Inference-Header-Content-Length: 0\r\n");
  HttpClient client(port_);
  for (int round = 0; round < 2; ++round) {
    client.Send(std::string_view(request).substr(0, 100));
    client.Send(std::string_view(request).substr(100, 50'000));
    const auto answer = client.Ask(std::string_view(request).substr(50'100));
    ASSERT_EQ(answer.status, 200) << answer.body.substr(0, 200);
    EXPECT_EQ(answer.body.substr(answer.body.size() - raw.size()), raw);
  }
}

TEST_F(HttpServerTest, ChunkedAndCompressedBodiesAreRead) {
  Begin();
  HttpClient client(port_);
  std::string chunked = "POST " + kInfer + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (char c : kJson) chunked += std::string("1\r\n") + c + "\r\n";
  chunked += "0\r\n\r\n";
  EXPECT_EQ(client.Ask(chunked + Get("/v2/health/live")).status, 200);
  EXPECT_EQ(client.Read().body, R"({"live":true})");
  for (const bool gzip : {true, false}) {
    std::string packed = kJson;
    Compress(gzip ? HttpCoding::kGzip : HttpCoding::kDeflate, packed);
    const std::string field =
        std::string("Content-Encoding: ") + (gzip ? "gzip" : "deflate") + "\r\n";
    EXPECT_EQ(client.Ask(Post(kInfer, packed, field)).status, 200);
  }
}

TEST_F(HttpServerTest, LongJsonIsCompressedWhenAskedFor) {
  Begin();
  HttpClient client(port_);
  const std::string plain = client.Ask(Get("/v2/models/stats")).body;
  const auto answer = client.Ask("GET /v2/models/stats HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n");
  if (plain.size() >= 1024) {
    EXPECT_NE(answer.head.find("Content-Encoding: gzip"), std::string::npos);
  }
  EXPECT_EQ(answer.status, 200);
}

TEST_F(HttpServerTest, ExpectationsAreMetBeforeTheBodyComes) {
  Begin();
  HttpClient client(port_);
  const std::string request = Post(kInfer, kJson, "Expect: 100-continue\r\n");
  const std::size_t head = request.find("\r\n\r\n") + 4;
  client.Send(std::string_view(request).substr(0, head));
  EXPECT_EQ(client.Read(false).status, 100);
  EXPECT_EQ(client.Ask(std::string_view(request).substr(head)).status, 200);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Begin();
  HttpClient client(port_);
  std::string many;
  for (int i = 0; i < 100; ++i) {
    std::string json = kJson;
    json.replace(json.find("\"7\""), 3, "\"" + std::to_string(i) + "\"");
    many += Post(kInfer, json) + Get("/v2/health/live");
  }
  std::thread sender([&] { client.Send(many); });
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(JsonOf(client.Read())["id"], std::to_string(i));
    EXPECT_EQ(client.Read().body, R"({"live":true})");
  }
  sender.join();
}

TEST_F(HttpServerTest, ConnectionsCloseWhenTheClientSaysSo) {
  Begin();
  HttpClient client(port_);
  const auto answer = client.Ask("GET /v2/health/live HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, HeadAnswersWithoutABody) {
  Begin();
  HttpClient client(port_);
  client.Send("HEAD /v2/health/ready HTTP/1.1\r\n\r\n");
  const auto answer = client.Read(false);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find("Content-Length: 26"), std::string::npos) << answer.head;
  EXPECT_EQ(client.Ask(Get("/v2/health/live")).body, R"({"live":true})");
}

TEST_F(HttpServerTest, FactsComeOnlyWhenABoundOfOursWasGiven) {
  Begin();
  HttpClient client(port_);
  const auto answer = client.Ask(Post(kInfer, kJson, "X-Latency-Bound-Ms: 10000\r\n"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto parameters = JsonOf(answer)["parameters"];
  EXPECT_TRUE(parameters["bound_met"]);
  EXPECT_GE(parameters["queue_ms"], 0.0);
  EXPECT_GE(parameters["compute_ms"], 0.0);
  EXPECT_EQ(parameters["start"], "warm");
}

TEST_F(HttpServerTest, ClientsThatGoAwayCancelAndTheServerGoesOn) {
  Begin();
  gate_.Close();
  {
    HttpClient gone(port_);
    gone.Send(Post(kInfer, kJson));
    gate_.AwaitWaiting(1);
  }
  gate_.Open();
  HttpClient client(port_);
  while (node_->Ends().cancelled + node_->Ends().replied == 0) std::this_thread::yield();
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
}

TEST_F(HttpServerTest, HalfSentRequestsTimeOutAndOthersAreServed) {
  HttpOptions options;
  options.head_timeout = options.body_timeout = Duration::Milliseconds(50);
  Begin(options);
  HttpClient head(port_);
  head.Send("GET / HTT");
  HttpClient body(port_);
  body.Send(std::string_view(Post(kInfer, kJson)).substr(0, 120));
  HttpClient idle(port_);
  EXPECT_EQ(ErrorOf(head.Read()), "the head did not come within head_timeout");
  EXPECT_EQ(ErrorOf(body.Read()), "the body did not come within body_timeout");
  head.Close();
  body.Close();
  EXPECT_EQ(idle.Ask(Get("/v2/health/live")).status, 200);
}

TEST_F(HttpServerTest, BytesUnderWayAreLimited) {
  HttpOptions options;
  options.inflight_bytes_max = Bytes::KiB(100);
  Begin(options);
  const std::string request = Post("/v2/models/wide/infer", std::string(800'000, 'x'),
                                   "Inference-Header-Content-Length: 0\r\n");
  {
    HttpClient client(port_);
    const auto answer = client.Ask(request);
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.head.find("Retry-After: 1"), std::string::npos);
    EXPECT_EQ(ErrorOf(answer), "too many bytes of requests under way; try again later");
  }
  HttpClient client(port_);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
}

TEST_F(HttpServerTest, ConnectionsAreLimitedAndDealtEvenly) {
  HttpOptions options;
  options.connections_max = 8;
  Begin(options);
  std::vector<std::unique_ptr<HttpClient>> clients;
  while (server_->ConnectionsByThread() != std::vector<std::size_t>{0, 0}) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<HttpClient>(port_));
    EXPECT_EQ(clients.back()->Ask(Get("/v2/health/live")).status, 200);
  }
  EXPECT_EQ(server_->ConnectionsByThread(), (std::vector<std::size_t>{4, 4}));
  HttpClient extra(port_);
  const auto answer = extra.Read();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(ErrorOf(answer), "too many connections; try again soon");
}

TEST_F(HttpServerTest, APortInUseIsAClearError) {
  Begin();
  const auto again = server_->Listen("127.0.0.1", port_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.status().message(), "cannot listen for HTTP on 127.0.0.1:" +
                                          std::to_string(port_) + ": Address already in use");
}

TEST_F(HttpServerTest, TheMetricsAddressHasMetricsAndHealthOnly) {
  Begin();
  HttpClient client(metrics_port_);
  EXPECT_NE(client.Ask(Get("/metrics")).body.find("cotenant_ready"), std::string::npos);
  EXPECT_EQ(client.Ask(Get("/v2/health/ready")).status, 200);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 404);
}

TEST_F(HttpServerTest, WhatTheServerSaysOfItselfParses) {
  Begin();
  HttpClient client(port_);
  const auto server = JsonOf(client.Ask(Get("/v2")));
  EXPECT_EQ(server["name"], "cotenant");
  EXPECT_EQ(
      JsonOf(client.Ask(Get("/v2/models/echo"))),
      nlohmann::json::parse(R"({"name":"echo","versions":["1"],"platform":"onnxruntime_onnx",)"
                            R"("inputs":[{"name":"x","datatype":"FP32","shape":[4]}],)"
                            R"("outputs":[{"name":"y","datatype":"FP32","shape":[4]}]})"));
  EXPECT_EQ(JsonOf(client.Ask(Get("/v2/models/echo/versions/1/ready"))),
            nlohmann::json::parse(R"({"name":"echo","ready":true})"));
  EXPECT_EQ(client.Ask(Get("/v2/models/echo/config")).status, 200);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
  const auto stats = JsonOf(client.Ask(Get("/v2/models/echo/stats")))["model_stats"][0];
  EXPECT_EQ(stats["version"], "1");
  EXPECT_EQ(stats["inference_stats"].size(), 8U);
  EXPECT_EQ(JsonOf(client.Ask(Post("/v2/repository/index", ""))).size(), 2U);
  EXPECT_EQ(JsonOf(client.Ask(Get("/cotenant/v1/tenants")))["tenants"][0]["name"], "default");
  EXPECT_EQ(JsonOf(client.Ask(Get("/v2/systemsharedmemory/status"))), nlohmann::json::array());
  EXPECT_NE(client.Ask(Get("/")).body.find("echo"), std::string::npos);
}

TEST_F(HttpServerTest, ModelsAreLoadedAndUnloadedOnRequest) {
  NodeOptions node_options;
  node_options.control = ControlMode::kExplicit;
  node_options.load_at_start = {"echo"};
  Begin({}, node_options);
  HttpClient client(port_);
  EXPECT_EQ(client.Ask(Post("/v2/repository/models/wide/load", "")).status, 200);
  EXPECT_EQ(client.Ask(Get("/v2/models/wide/ready")).status, 200);
  EXPECT_EQ(client.Ask(Post("/v2/repository/models/wide/unload", "{}")).status, 200);
  EXPECT_NE(client.Ask(Post("/v2/repository/models/nope/load", "")).status, 200);
}

TEST_F(HttpServerTest, ADrainClosesIdleConnectionsAndAnswersTheRest) {
  Begin();
  HttpClient idle(port_);
  EXPECT_EQ(idle.Ask(Get("/v2/health/live")).status, 200);
  gate_.Close();
  HttpClient busy(port_);
  busy.Send(Post(kInfer, kJson));
  gate_.AwaitWaiting(1);
  server_->StopAccepting();
  server_->CloseIdle();
  EXPECT_TRUE(idle.AtEnd());
  gate_.Open();
  EXPECT_EQ(busy.Read().status, 200);
  EXPECT_TRUE(busy.AtEnd());
}

}  // namespace
}  // namespace cotenant
