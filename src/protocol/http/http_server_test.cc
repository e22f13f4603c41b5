#include "protocol/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "protocol/http/body_reader.h"
#include "server/test_node.h"

namespace cotenant {
namespace {

/// A plain blocking client.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    timeval patience{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// False at the end of the connection.
  bool Receive() {
    char bytes[65536];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count > 0) buffer_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }
  bool AtEnd() {
    while (Receive()) {
    }
    return true;
  }

  struct Answer {
    int status = 0;
    std::string head;
    std::string body;
    nlohmann::json Json() const { return nlohmann::json::parse(body); }
    std::string Error() const { return Json().value("error", ""); }
  };
  Answer Read(bool with_body = true) {
    Answer answer;
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive()) return answer;
    }
    answer.head = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9));
    const std::size_t field = answer.head.find("\r\nContent-Length: ");
    if (!with_body || field == std::string::npos) return answer;
    const std::size_t length = std::stoul(answer.head.substr(field + 18));
    while (buffer_.size() < length) {
      if (!Receive()) return answer;
    }
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
  }
  Answer Ask(std::string_view text) {
    Send(text);
    return Read();
  }

 private:
  int socket_;
  std::string buffer_;
};

std::string Post(std::string_view path, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string Get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n\r\n";
}

const std::string kInfer = "/v2/models/echo/infer";
const std::string kJson =
    R"({"id":"7","inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[1,2.5,3,-4]}]})";

/// A node with emulated models behind a server on a free port.
class HttpServerTest : public testing::Test {
 protected:
  void Begin(HttpOptions options = {}, NodeOptions node_options = {}) {
    source_.Put(EchoConfig("echo"), "");
    source_.Put(EchoConfig("wide", 0, 200'000), "");
    node_ = std::make_unique<Node>(node_options, source_, backend_, telemetry_);
    for (std::size_t i = 0; i < 2; ++i) {
      threads_.push_back(std::make_unique<IoThread>(*node_, i));
    }
    server_ = HttpServer::Create(*node_, telemetry_, {threads_[0].get(), threads_[1].get()},
                                 std::move(options))
                  .value();
    port_ = server_->Listen("127.0.0.1", 0).value();
    metrics_port_ = server_->ListenForMetrics("127.0.0.1", 0).value();
    for (auto& thread : threads_) thread->Start();
    ASSERT_TRUE(node_->Start().ok());
    Client client(port_);
    while (client.Ask(Get("/v2/health/ready")).status != 200) std::this_thread::yield();
  }
  void TearDown() override {
    gate_.Open();
    if (node_ == nullptr) return;
    for (auto& thread : threads_) thread->Stop();
    server_.reset();
    threads_.clear();
  }

  RunGate gate_;
  MemorySource source_;
  ProfiledBackend backend_{&gate_};
  Telemetry telemetry_;
  std::unique_ptr<Node> node_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::uint16_t metrics_port_ = 0;
};

TEST_F(HttpServerTest, JsonGoesInAndComesOut) {
  Begin();
  Client client(port_);
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
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[4],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":16}}],)"
      R"("parameters":{"binary_data_output":true}})";
  Client client(port_);
  const auto answer = client.Ask(Post(
      kInfer, json + raw,
      "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::size_t at = answer.head.find("Inference-Header-Content-Length: ");
  ASSERT_NE(at, std::string::npos);
  const std::size_t length = std::stoul(answer.head.substr(at + 33));
  EXPECT_EQ(answer.body.substr(length), raw);
  const auto head = nlohmann::json::parse(answer.body.substr(0, length));
  EXPECT_EQ(head["outputs"][0]["parameters"]["binary_data_size"], 16);

  const auto raw_answer =
      client.Ask(Post(kInfer, raw, "Inference-Header-Content-Length: 0\r\n"));
  ASSERT_EQ(raw_answer.status, 200) << raw_answer.body;
  EXPECT_EQ(raw_answer.body.substr(raw_answer.body.size() - 16), raw);
}

TEST_F(HttpServerTest, ALargeBodyThatComesInPiecesIsWhole) {
  Begin();
  const std::string raw(800'000, '\x3f');
  const std::string request =
      Post("/v2/models/wide/infer", raw, "Inference-Header-Content-Length: 0\r\n");
  Client client(port_);
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
  Client client(port_);
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
  Client client(port_);
  const std::string plain = client.Ask(Get("/v2/models/stats")).body;
  const auto answer = client.Ask("GET /v2/models/stats HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n");
  if (plain.size() >= 1024) {
    EXPECT_NE(answer.head.find("Content-Encoding: gzip"), std::string::npos);
  }
  EXPECT_EQ(answer.status, 200);
}

TEST_F(HttpServerTest, ExpectationsAreMetBeforeTheBodyComes) {
  Begin();
  Client client(port_);
  const std::string request = Post(kInfer, kJson, "Expect: 100-continue\r\n");
  const std::size_t head = request.find("\r\n\r\n") + 4;
  client.Send(std::string_view(request).substr(0, head));
  EXPECT_EQ(client.Read(false).status, 100);
  EXPECT_EQ(client.Ask(std::string_view(request).substr(head)).status, 200);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Begin();
  Client client(port_);
  std::string many;
  for (int i = 0; i < 100; ++i) {
    std::string json = kJson;
    json.replace(json.find("\"7\""), 3, "\"" + std::to_string(i) + "\"");
    many += Post(kInfer, json) + Get("/v2/health/live");
  }
  std::thread sender([&] { client.Send(many); });
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.Read().Json()["id"], std::to_string(i));
    EXPECT_EQ(client.Read().body, R"({"live":true})");
  }
  sender.join();
}

TEST_F(HttpServerTest, ConnectionsCloseWhenTheClientSaysSo) {
  Begin();
  Client client(port_);
  const auto answer = client.Ask("GET /v2/health/live HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, HeadAnswersWithoutABody) {
  Begin();
  Client client(port_);
  client.Send("HEAD /v2/health/ready HTTP/1.1\r\n\r\n");
  const auto answer = client.Read(false);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find("Content-Length: 26"), std::string::npos) << answer.head;
  EXPECT_EQ(client.Ask(Get("/v2/health/live")).body, R"({"live":true})");
}

TEST_F(HttpServerTest, FactsComeOnlyWhenABoundOfOursWasGiven) {
  Begin();
  Client client(port_);
  const auto answer = client.Ask(Post(kInfer, kJson, "X-Latency-Bound-Ms: 10000\r\n"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto parameters = answer.Json()["parameters"];
  EXPECT_TRUE(parameters["bound_met"]);
  EXPECT_GE(parameters["queue_ms"], 0.0);
  EXPECT_GE(parameters["compute_ms"], 0.0);
}

TEST_F(HttpServerTest, ClientsThatGoAwayCancelAndTheServerGoesOn) {
  Begin();
  gate_.Close();
  {
    Client gone(port_);
    gone.Send(Post(kInfer, kJson));
    gate_.AwaitWaiting(1);
  }
  gate_.Open();
  Client client(port_);
  while (node_->Ends().cancelled + node_->Ends().replied == 0) std::this_thread::yield();
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
}

TEST_F(HttpServerTest, EveryRefusalHasItsStatusAndText) {
  HttpOptions options;
  options.body_max = Bytes(100'000);
  options.json_max = Bytes(50'000);
  options.elements_max = 8;
  options.tensors_max = 2;
  options.header_forward_pattern = "^latency";
  Begin(options);
  const auto input = [](std::string_view rest) {
    return R"({"inputs":[{"name":"x")" + std::string(rest) + "}]}";
  };
  const std::string x = R"({"name":"x","shape":[1],"datatype":"FP32","data":[1]})";
  const struct {
    std::string request;
    int status;
    std::string message;
  } kCases[] = {
      {Get("/nope"), 404, "there is no endpoint '/nope'"},
      {Get(kInfer), 405, "method not allowed; expected POST"},
      {Post("/v2", ""), 405, "method not allowed; expected GET, HEAD"},
      {Post("/v2/models/echo/generate", ""), 501, "the generate extension is not supported"},
      {Get("/v2/logging"), 501, "the logging extension is not supported"},
      {Get("/v2/trace/setting"), 501, "the trace extension is not supported"},
      {Post("/v2/systemsharedmemory/region/r/register", "{}"), 501,
       "shared memory is not supported"},
      {Get("/v2/models/nope"), 404, "Request for unknown model: 'nope' is not found"},
      {Post("/v2/models/nope/infer", kJson), 404, "Request for unknown model: 'nope' is not found"},
      {Post("/v2/repository/r/index", ""), 501, "'repository_name' specification is not supported"},
      {Post("/v2/repository/index", R"({"ready":3})"), 400, "'ready' must be true or false"},
      {Post("/v2/repository/models/m/load", R"({"parameters":{"config":1}})"), 400,
       "'parameters.config' must be a string"},
      {Post("/v2/repository/models/m/load", R"({"parameters":{"file:1/m":"?"}})"), 400,
       "'parameters.file:1/m' must be base64"},
      {Post(kInfer, "{x"), 400,
       "failed to parse the request JSON buffer: invalid JSON at offset 1"},
      {Post(kInfer, ""), 400, "failed to parse the request JSON buffer: invalid JSON at offset 0"},
      {Post(kInfer, "[]"), 400, "the request must be a JSON object"},
      {Post(kInfer, std::string(20'000, '[') + std::string(20'000, ']')), 400,
       "failed to parse the request JSON buffer: nested deeper than 64 levels"},
      {Post(kInfer, std::string(60'000, ' ')), 413,
       "the JSON part of the body has 60000 bytes; at most 50000 are taken, send tensors as binary "
       "data"},
      {Post(kInfer, "{}"), 400, "'inputs' must be an array of tensors; it is missing"},
      {Post(kInfer, R"({"id":7,"inputs":[]})"), 400, "'id' must be a string"},
      {Post(kInfer, R"({"inputs":7})"), 400, "'inputs' must be an array of tensors"},
      {Post(kInfer, R"({"inputs":[7]})"), 400, "'inputs[0]' must be an object"},
      {Post(kInfer, R"({"inputs":[{}]})"), 400, "'inputs[0].name' must be a string"},
      {Post(kInfer, R"({"inputs":[)" + x + "," + x + "," + x + "]}"), 400,
       "'inputs' has more than 2 tensors"},
      {Post(kInfer, input("")), 400, "'inputs[0].shape' must be an array of whole numbers"},
      {Post(kInfer, input(R"(,"shape":[-1])")), 400,
       "'inputs[0].shape' must be an array of whole numbers"},
      {Post(kInfer, input(R"(,"shape":[1,1,1,1,1,1,1,1,1])")), 400,
       "'inputs[0].shape' has more than 8 dimensions"},
      {Post(kInfer, input(R"(,"shape":[1])")), 400, "'inputs[0].datatype' must be a string"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"F")")), 400,
       "'inputs[0].datatype' of input 'x' is 'F', which is no datatype of the protocol"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32")")), 400,
       "input 'x' has neither 'data' nor the parameter 'binary_data_size'; expected one of them"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","data":[1],"parameters":)"
                          R"({"binary_data_size":4})")),
       400,
       "input 'x' has both 'data' and the parameter 'binary_data_size'; expected one of them"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4})")),
       400, "input 'x': 'binary_data_size' is 4, but the body has only 0 bytes left"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","parameters":)"
                          R"({"shared_memory_region":"r"})")),
       501, "tensor 'x' is given by 'shared_memory_region', but shared memory is not supported"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","data":1)")), 400,
       "input 'x': 'data' must be an array"},
      {Post(kInfer, input(R"(,"shape":[2],"datatype":"FP32","data":[1])")), 400,
       "input 'x': 'data' has 1 elements, but shape [2] has 2"},
      {Post(kInfer, input(R"(,"shape":[4],"datatype":"FP32","data":[1,"a",3,4])")), 400,
       "input 'x': element 1 of 'data' must be a number that FP32 can hold"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","data":[1e39])")), 400,
       "input 'x': element 0 of 'data' must be a number that FP32 can hold"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"INT8","data":[128])")), 400,
       "input 'x': element 0 of 'data' must be a whole number from -128 to 127 (INT8)"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"BOOL","data":[1])")), 400,
       "input 'x': element 0 of 'data' must be true or false (BOOL)"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"BYTES","data":[1])")), 400,
       "input 'x': element 0 of 'data' must be a string (BYTES)"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP16","data":[1])")), 400,
       "input 'x': datatype 'FP16' cannot be given in JSON; send it as binary data"},
      {Post(kInfer, input(R"(,"shape":[9],"datatype":"FP32","data":[1])")), 413,
       "input 'x' has 9 elements; at most 8 can be given in JSON, send it as binary data"},
      {Post(kInfer, input(R"(,"shape":[4294967296,4294967296],"datatype":"INT8","data":[1])")),
       400,
       "input 'x': shape [4294967296,4294967296] has a negative or too large dimension"},
      {Post(kInfer, R"({"inputs":[],"outputs":7})"), 400, "'outputs' must be an array of tensors"},
      {Post(kInfer, R"({"inputs":[],"outputs":[{"name":"y","parameters":{"classification":-1}}]})"),
       400, "parameter 'classification' must be a whole number from 0 to 4294967295, not '-1'"},
      {Post(kInfer, R"({"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":"x"}}]})"),
       400, "parameter 'binary_data' must be true or false, not 'x'"},
      {Post(kInfer, R"({"inputs":[],"parameters":7})"), 400, "'parameters' must be an object"},
      {Post(kInfer, R"({"inputs":[],"parameters":{"a":[]}})"), 400,
       "parameter 'a' must be a string, a number or a boolean"},
      {Post(kInfer, R"({"inputs":[],"parameters":{"triton_a":1}})"), 400,
       "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
       "specified."},
      {Post(kInfer, kJson, "latency_bound_ms: x\r\n"), 400,
       "parameter 'latency_bound_ms' must be a number of milliseconds above 0 and at most "
       "1000000000, not 'x'"},
      {Post(kInfer, kJson, "X-Tenant: nobody\r\n"), 400, "the tenant 'nobody' is not declared"},
      {Post(kInfer, kJson + "xx",
            "Inference-Header-Content-Length: " + std::to_string(kJson.size()) + "\r\n"),
       400,
       "unexpected additional input data for model 'echo': 2 bytes behind the last binary input"},
      {Post(kInfer, kJson, "Inference-Header-Content-Length: 999\r\n"), 400,
       "Inference-Header-Content-Length is 999, but the body has only " +
           std::to_string(kJson.size()) + " bytes"},
      {Post(kInfer, "abc", "Inference-Header-Content-Length: 0\r\n"), 400,
       "input 'x': the body has 3 bytes, which are no whole number of FP32 elements"},
      {Post(kInfer, "abc", "Content-Encoding: gzip\r\n"), 400, "the body is not valid gzip"},
      {Post(kInfer, std::string(100'001, ' ')), 413,
       "the body has 100001 bytes; at most 100000 are taken"},
      {"POST " + kInfer + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
       "malformed chunk in the body"},
      {"GET / HTTP/1.1\r\nA: " + std::string(17'000, 'a') + "\r\n\r\n", 431,
       "the head is larger than 16384 bytes"},
      {"GET / HTTP/9.9\r\n\r\n", 505,
       "HTTP version not supported; expected HTTP/1.0 or HTTP/1.1"},
  };
  for (const auto& row : kCases) {
    Client client(port_);
    const auto answer = client.Ask(row.request);
    EXPECT_EQ(answer.status, row.status) << row.request.substr(0, 300);
    ASSERT_FALSE(answer.body.empty()) << row.request.substr(0, 300);
    EXPECT_EQ(answer.Error(), row.message) << row.request.substr(0, 300);
  }
}

TEST_F(HttpServerTest, HalfSentRequestsTimeOutAndOthersAreServed) {
  HttpOptions options;
  options.head_timeout = options.body_timeout = Duration::Milliseconds(50);
  Begin(options);
  Client head(port_);
  head.Send("GET / HTT");
  Client body(port_);
  body.Send(std::string_view(Post(kInfer, kJson)).substr(0, 120));
  Client idle(port_);
  EXPECT_EQ(head.Read().Error(), "the head did not come within head_timeout");
  EXPECT_EQ(body.Read().Error(), "the body did not come within body_timeout");
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
    Client client(port_);
    const auto answer = client.Ask(request);
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.head.find("Retry-After: 1"), std::string::npos);
    EXPECT_EQ(answer.Error(), "too many bytes of requests under way; try again later");
  }
  Client client(port_);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
}

TEST_F(HttpServerTest, ConnectionsAreLimitedAndDealtEvenly) {
  HttpOptions options;
  options.connections_max = 8;
  Begin(options);
  std::vector<std::unique_ptr<Client>> clients;
  while (server_->ConnectionsByThread() != std::vector<std::size_t>{0, 0}) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    EXPECT_EQ(clients.back()->Ask(Get("/v2/health/live")).status, 200);
  }
  EXPECT_EQ(server_->ConnectionsByThread(), (std::vector<std::size_t>{4, 4}));
  Client extra(port_);
  const auto answer = extra.Read();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.Error(), "too many connections; try again soon");
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
  Client client(metrics_port_);
  EXPECT_NE(client.Ask(Get("/metrics")).body.find("cotenant_ready"), std::string::npos);
  EXPECT_EQ(client.Ask(Get("/v2/health/ready")).status, 200);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 404);
}

TEST_F(HttpServerTest, WhatTheServerSaysOfItselfParses) {
  Begin();
  Client client(port_);
  const auto server = client.Ask(Get("/v2")).Json();
  EXPECT_EQ(server["name"], "cotenant");
  EXPECT_EQ(client.Ask(Get("/v2/models/echo")).Json(),
            nlohmann::json::parse(
                R"({"name":"echo","versions":["1"],"platform":"onnxruntime_onnx",)"
                R"("inputs":[{"name":"x","datatype":"FP32","shape":[4]}],)"
                R"("outputs":[{"name":"y","datatype":"FP32","shape":[4]}]})"));
  EXPECT_EQ(client.Ask(Get("/v2/models/echo/versions/1/ready")).Json(),
            nlohmann::json::parse(R"({"name":"echo","ready":true})"));
  EXPECT_EQ(client.Ask(Get("/v2/models/echo/config")).status, 200);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
  const auto stats = client.Ask(Get("/v2/models/echo/stats")).Json()["model_stats"][0];
  EXPECT_EQ(stats["version"], "1");
  EXPECT_EQ(stats["inference_stats"].size(), 8U);
  EXPECT_EQ(client.Ask(Post("/v2/repository/index", "")).Json().size(), 2U);
  EXPECT_EQ(client.Ask(Get("/cotenant/v1/tenants")).Json()["tenants"][0]["name"], "default");
  EXPECT_EQ(client.Ask(Get("/v2/systemsharedmemory/status")).Json(), nlohmann::json::array());
  EXPECT_NE(client.Ask(Get("/")).body.find("echo"), std::string::npos);
}

TEST_F(HttpServerTest, ModelsAreLoadedAndUnloadedOnRequest) {
  NodeOptions node_options;
  node_options.control = ControlMode::kExplicit;
  node_options.load_at_start = {"echo"};
  Begin({}, node_options);
  Client client(port_);
  EXPECT_EQ(client.Ask(Post("/v2/repository/models/wide/load", "")).status, 200);
  EXPECT_EQ(client.Ask(Get("/v2/models/wide/ready")).status, 200);
  EXPECT_EQ(client.Ask(Post("/v2/repository/models/wide/unload", "{}")).status, 200);
  EXPECT_NE(client.Ask(Post("/v2/repository/models/nope/load", "")).status, 200);
}

TEST_F(HttpServerTest, ADrainClosesIdleConnectionsAndAnswersTheRest) {
  Begin();
  Client idle(port_);
  EXPECT_EQ(idle.Ask(Get("/v2/health/live")).status, 200);
  gate_.Close();
  Client busy(port_);
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
