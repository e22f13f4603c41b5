// What happens at the limits of time and of descriptors: slow readers, idle clients, no files left.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>
#include <vector>

#include "protocol/http/http_server_test.h"

namespace cotenant {
namespace {

bool PageHas(std::uint16_t port, std::string_view line) {
  return HttpClient(port).Ask(Get("/metrics")).body.find(line) != std::string::npos;
}

TEST_F(HttpServerTest, ClientThatDoesNotReadItsReplyIsLetGo) {
  HttpOptions options;
  options.write_timeout = Duration::Milliseconds(50);
  // More than the kernel holds for a connection, so that the server must wait for the reader.
  constexpr std::int64_t kWidth = 6'000'000;
  source_.Put(EchoConfig("huge", 0, kWidth), "");
  Begin(options);
  HttpClient slow(port_);
  slow.Send(Post("/v2/models/huge/infer", std::string(kWidth * sizeof(float), 'x'),
                 "Inference-Header-Content-Length: 0\r\n"));
  while (!PageHas(port_, R"(cotenant_refused_requests_total{protocol="http",status="408"} 1)")) {
    std::this_thread::yield();
  }
  const auto cut = slow.Read();
  EXPECT_EQ(cut.status, 200);
  EXPECT_TRUE(cut.body.empty()) << "the reply came whole: nothing was waited for";
  HttpClient other(port_);
  EXPECT_EQ(other.Ask(Post(kInfer, kJson)).status, 200);
  // What the slow one held is given back: the node knows of no request, and a drain ends.
  std::atomic<bool> drained = false;
  node_->Drain([&] { drained = true; });
  while (!drained) std::this_thread::yield();
  EXPECT_EQ(node_->Ends().replied, 2U);
}

TEST_F(HttpServerTest, StalledHalvesOfRequestsGiveWayToRequestsThatCome) {
  HttpOptions options;
  options.inflight_bytes_max = Bytes::KiB(600);
  Begin(options);
  constexpr std::size_t kBody = 800'000;
  const std::string half = Post("/v2/models/wide/infer", std::string(kBody, 'x'),
                                "Inference-Header-Content-Length: 0\r\n")
                               .substr(0, 90'000);
  // More and more, on both threads, until the first is told to go.
  std::vector<std::unique_ptr<HttpClient>> stalled;
  pollfd told{};
  do {
    stalled.push_back(std::make_unique<HttpClient>(port_));
    stalled.back()->Send(half);
    told = {stalled.front()->descriptor(), POLLIN, 0};
  } while (poll(&told, 1, 10) == 0);
  const auto first = stalled.front()->Read();
  EXPECT_EQ(first.status, 503);
  EXPECT_NE(first.body.find("not whole while others needed"), std::string::npos) << first.body;
  // Whole requests find room all the time.
  HttpClient other(port_);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(other.Ask(Post(kInfer, kJson)).status, 200);
    HttpClient(port_).Send(half);
  }
}

TEST_F(HttpServerTest, ASmallRequestInPiecesIsNotRefusedForLargeOnesThatAreNotWhole) {
  HttpOptions options;
  options.inflight_bytes_max = Bytes::KiB(600);
  Begin(options);
  const std::string large = Post("/v2/models/wide/infer", std::string(800'000, 'x'),
                                 "Inference-Header-Content-Length: 0\r\n")
                                .substr(0, 200'000);
  const std::string small = Post(kInfer, std::string(40'000, ' ') + std::string(kJson));
  std::vector<std::unique_ptr<HttpClient>> grow;
  for (int i = 0; i < 30; ++i) {
    HttpClient client(port_);
    for (int more = 0; more < 3; ++more) {
      grow.push_back(std::make_unique<HttpClient>(port_));
      grow.back()->Send(large);
    }
    client.Send(small.substr(0, 20'000));
    EXPECT_EQ(HttpClient(port_).Ask(Get("/v2/health/live")).status, 200);
    client.Send(small.substr(20'000));
    ASSERT_EQ(client.Read().status, 200) << i;
  }
}

TEST_F(HttpServerTest, RequestsInPiecesAreServedWhileSlowHeadsHoldWhatHalvesOfRequestsMay) {
  HttpOptions options;
  options.inflight_bytes_max = Bytes::KiB(600);
  Begin(options);
  std::vector<std::unique_ptr<HttpClient>> slow(12);
  const auto fill = [&] {
    for (auto& client : slow) {
      pollfd told{client == nullptr ? -1 : client->descriptor(), POLLIN, 0};
      if (client != nullptr && poll(&told, 1, 0) == 0) continue;
      client = std::make_unique<HttpClient>(port_);
      client->Send("POST /v2/models/echo/infer HTTP/1.1\r\nA: ");
    }
  };
  // One more byte of each; a turn of both threads then has them all.
  const auto drip = [&] {
    for (auto& client : slow) client->Send("a");
    HttpClient one(port_), two(port_);
    EXPECT_EQ(one.Ask(Get("/v2/health/live")).status, 200);
    EXPECT_EQ(two.Ask(Get("/v2/health/live")).status, 200);
  };
  const auto in_pieces = [&](const std::string& request, std::size_t size) {
    fill();
    drip();
    HttpClient client(port_);
    for (std::size_t at = 0; at < request.size(); at += size) {
      client.Send(request.substr(at, size));
      drip();
    }
    return client.Read().status;
  };
  // A small one holds as much as a head: of equal ones the first goes, and this began last.
  const std::string small = Post(kInfer, kJson);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(in_pieces(small, small.size() / 2 + 1), 200) << i;
  // To a larger one they give way when their bytes have come too slowly for a while.
  const std::string large = Post(kInfer, std::string(100'000, ' ') + kJson);
  int status = 0;
  for (int i = 0; i < 1'000 && status != 200; ++i) status = in_pieces(large, 60'000);
  EXPECT_EQ(status, 200);
}

TEST_F(HttpServerTest, WhatParsingALargeTextTakesCountsAsBytesUnderWayUntilItIsParsed) {
  HttpOptions options;
  options.inflight_bytes_max = Bytes::MiB(4);
  Begin(options);
  const auto request = [](std::size_t elements) {
    std::string body = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(elements) +
                       R"(],"datatype":"FP32","data":[1)";
    for (std::size_t i = 1; i < elements; ++i) body += ",1";
    return Post(kInfer, body + "]}]}");
  };
  HttpClient client(port_);
  // The first count that is refused would not fit beside the text even alone; the text would.
  const auto refused = client.Ask(request(200'000));
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("the JSON part of the body has 400"), std::string::npos)
      << refused.body;
  EXPECT_NE(refused.body.find("; at most 4194304 may be under way, send tensors as binary data"),
            std::string::npos)
      << refused.body;
  // Read whole, again and again, and refused for its shape alone.
  for (int i = 0; i < 4; ++i) {
    const auto answer = client.Ask(request(100'000));
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_NE(answer.body.find("shape"), std::string::npos) << answer.body;
  }
}

TEST_F(HttpServerTest, HostileBodiesAreAnsweredAndTheConnectionOrTheNextOneServes) {
  HttpOptions options;
  options.body_max = Bytes(60'000);
  Begin(options);
  const std::string chunked =
      "POST " + kInfer + " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string tiny;
  for (const char c : kJson) tiny += std::string("1\r\n") + c + "\r\n";
  const std::string flood = [] {
    std::string chunks;
    for (int i = 0; i < 60'001; ++i) chunks += "1\r\n \r\n";
    return chunks;
  }();
  const struct {
    std::string request;
    int status;
    std::string_view text;
  } kCases[] = {
      {chunked + tiny + "0\r\n\r\n", 200, "outputs"},
      {chunked + flood, 413, "the body has more than 60000 bytes"},
      {chunked + "fffffffffffffff\r\n" + std::string(70'000, 'x'), 413, "more than 60000"},
      {Post(kInfer, std::string(50'000, '[')), 400, "invalid JSON behind offset 16384"},
      {Post(kInfer, std::string(8'000, '{')), 400, "at offset 1"},
      {Post(kInfer, R"({"a":)" + std::string(30'000, '[') + std::string(20'000, ']') + "}"), 400,
       "nested deeper than 64 levels"},
      {Post(kInfer, std::string(50'000, '"')), 400, "invalid JSON at offset"},
      {Post(kInfer, std::string(50'000, '\0')), 400, "invalid JSON at offset 0"},
      {Post(kInfer, std::string(50'000, '\xff')), 400, "invalid JSON at offset 0"},
  };
  for (const auto& row : kCases) {
    HttpClient client(port_);
    const auto answer = client.Ask(row.request);
    EXPECT_EQ(answer.status, row.status) << row.text << answer.body;
    EXPECT_NE(answer.body.find(row.text), std::string::npos) << row.text << answer.body;
    HttpClient other(port_);
    EXPECT_EQ(other.Ask(Post(kInfer, kJson)).status, 200);
  }
}

TEST_F(HttpServerTest, ARequestAsPerfAnalyzerWritesItIsAnsweredInKind) {
  Begin();
  const std::string json =
      R"({"id":"1","parameters":{"latency_bound_ms":"60000"},"inputs":[{"name":"x","shape":[4],)"
      R"("datatype":"FP32","parameters":{"binary_data_size":16}}],"outputs":[{"name":"y",)"
      R"("parameters":{"binary_data":true}}]})";
  const std::string values("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16);
  HttpClient client(port_);
  const auto answer = client.Ask(
      "POST /v2/models/echo/infer HTTP/1.1\r\nHost: localhost:8000\r\nAccept: */*\r\n"
      "Inference-Header-Content-Length: " +
      std::to_string(json.size()) +
      "\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
      std::to_string(json.size() + values.size()) + "\r\n\r\n" + json + values);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::string_view field = "\r\nInference-Header-Content-Length: ";
  const std::size_t at = answer.head.find(field);
  ASSERT_NE(at, std::string::npos) << answer.head;
  const std::size_t length = std::stoul(answer.head.substr(at + field.size()));
  const auto head = nlohmann::json::parse(answer.body.substr(0, length));
  EXPECT_EQ(head["id"], "1");
  EXPECT_EQ(head["outputs"][0]["parameters"]["binary_data_size"], 16);
  EXPECT_EQ(answer.body.substr(length), values);
}

TEST_F(HttpServerTest, ConnectionWithoutRequestsIsClosedAfterTheIdleTime) {
  HttpOptions options;
  options.idle_timeout = Duration::Milliseconds(40);
  NodeOptions node_options;
  node_options.scheduler.inline_run_max = Duration();  // The gate must hold no I/O thread.
  Begin(options, node_options);
  HttpClient silent(port_);
  HttpClient once(port_);
  EXPECT_EQ(once.Ask(Post(kInfer, kJson)).status, 200);
  gate_.Close();
  HttpClient busy(port_);
  busy.Send(Post(kInfer, kJson));
  gate_.AwaitWaiting(1);
  EXPECT_TRUE(silent.AtEnd());
  EXPECT_TRUE(once.AtEnd());
  // An open connection would answer.
  EXPECT_EQ(silent.Ask(Get("/v2/health/live")).status, 0);
  EXPECT_EQ(once.Ask(Get("/v2/health/live")).status, 0);
  gate_.Open();
  EXPECT_EQ(busy.Read().status, 200) << "a request under way is not idle";
}

TEST_F(HttpServerTest, WithoutAnIdleTimeAConnectionStays) {
  HttpOptions options;
  options.idle_timeout = Duration();
  options.head_timeout = Duration::Milliseconds(20);
  Begin(options);
  HttpClient silent(port_);
  HttpClient late(port_);
  late.Send("GET / HTT");
  EXPECT_EQ(late.Read().status, 408);  // So much later
  EXPECT_EQ(silent.Ask(Get("/v2/health/live")).status, 200);
}

/// The classes of an output by the labels of its configuration.
TEST_F(HttpServerTest, ClassesOfAnOutputCarryItsLabels) {
  ModelConfig config = EchoConfig("labelled");
  config.outputs[0].labels = {"apple", "banana", "cherry"};
  source_.Put(std::move(config), "");
  Begin();
  HttpClient client(port_);
  const auto answer =
      client.Ask(Post("/v2/models/labelled/infer",
                      R"({"inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[1,7,2,5]}],)"
                      R"("outputs":[{"name":"y","parameters":{"classification":3}}]})"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto output = nlohmann::json::parse(answer.body)["outputs"][0];
  EXPECT_EQ(output["datatype"], "BYTES");
  EXPECT_EQ(output["shape"], nlohmann::json({3}));
  // The fourth class has no label in the file.
  EXPECT_EQ(output["data"],
            nlohmann::json({"7.000000:1:banana", "5.000000:3", "2.000000:2:cherry"}));
}

/// Lowers the limit of open files of this process, and puts it back.
class FileLimit {
 public:
  FileLimit() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~FileLimit() { Restore(); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  void Lower(rlim_t files) {
    const rlimit lower{files, before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lower), 0);
  }
  void Restore() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(HttpServerTest, WithoutDescriptorsClientsAreRefusedAndLaterServedAgain) {
  Begin();
  // Connections that end later would free descriptors.
  const auto open = [&] {
    const std::vector<std::size_t> counts = server_->ConnectionsByThread();
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  };
  while (open() > 0) std::this_thread::yield();
  FileLimit limit;
  HttpClient clients[8];
  // All descriptors below the limit are taken, but for the server's spare one.
  int highest = 0;
  for (const HttpClient& client : clients) highest = std::max(highest, client.descriptor());
  limit.Lower(static_cast<rlim_t>(highest) + 1);
  std::vector<int> fillers;
  const auto take = [&] { return dup(clients[0].descriptor()); };
  for (int filler = take(); filler >= 0; filler = take()) fillers.push_back(filler);
  for (HttpClient& client : clients) {
    client.Connect(port_);
    const HttpClient::Answer answer = client.Read();
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("too many connections"), std::string::npos) << answer.body;
  }
  for (const int filler : fillers) close(filler);
  limit.Restore();
  HttpClient client(port_);
  EXPECT_EQ(client.Ask(Post(kInfer, kJson)).status, 200);
  EXPECT_TRUE(PageHas(port_, R"(cotenant_refused_requests_total{protocol="http",status="503"} 8)"));
}

TEST_F(HttpServerTest, AcceptorThatCanTakeNobodyWaitsInsteadOfSpinning) {
  Begin();
  FileLimit limit;
  HttpClient waiting;
  limit.Lower(3);  // Not even the spare descriptor helps.
  waiting.Connect(port_);
  const auto cpu = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return Duration::Seconds(time.tv_sec) + Duration::Nanoseconds(time.tv_nsec);
  };
  // A loop would take most of a core each time; other threads of ours work now and then.
  Duration least = Duration::Max();
  for (int i = 0; i < 3; ++i) {
    const Duration before = cpu();
    pollfd answer{waiting.descriptor(), POLLIN, 0};
    EXPECT_EQ(poll(&answer, 1, 300), 0) << "nobody could have taken it";
    least = std::min(least, cpu() - before);
  }
  EXPECT_LT(least, Duration::Milliseconds(75));
  limit.Restore();
  EXPECT_EQ(waiting.Ask(Get("/v2/health/live")).status, 200);
}

}  // namespace
}  // namespace cotenant
