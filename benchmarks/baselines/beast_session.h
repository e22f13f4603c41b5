#pragma once

/// FROZEN: a yardstick. The figures of docs/performance.md are ratios to programs built from this
/// file; never change it.
///
/// How one writes an inference server in an afternoon: Beast for HTTP, a DOM for JSON, the network
/// inline on the thread that read the request. POST /v2/models/NAME/infer with binary tensors only;
/// everything belongs to one thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "baselines/network.h"

namespace yardstick {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Json = nlohmann::json;
using Tcp = asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Tcp::socket socket, Network& network) : stream_(std::move(socket)), network_(network) {
    stream_.socket().set_option(Tcp::no_delay(true));
  }

  void Read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) self->Answer();
                     });
  }

 private:
  void Answer() {
    response_ = {};
    response_.version(11);
    response_.keep_alive(request_.keep_alive());
    try {
      Infer();
    } catch (const std::exception& error) {
      response_.result(http::status::bad_request);
      response_.set(http::field::content_type, "application/json");
      response_.body() = Json{{"error", error.what()}}.dump();
    }
    response_.prepare_payload();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (!error && self->response_.keep_alive()) self->Read();
                      });
  }

  void Infer() {
    const auto target = request_.target();
    const std::string_view path(target.data(), target.size());
    if (request_.method() != http::verb::post || !path.ends_with("/infer")) {
      throw std::runtime_error("only POST /v2/models/NAME/infer");
    }
    const std::string_view body = request_.body();
    const auto length_text = request_["Inference-Header-Content-Length"];
    if (length_text.empty()) throw std::runtime_error("binary tensors only");
    const std::size_t head = std::stoul(std::string(length_text.data(), length_text.size()));
    if (head > body.size()) throw std::runtime_error("wrong header length");
    const Json json = Json::parse(body.substr(0, head));
    const Json& input = json.at("inputs").at(0);
    const auto shape = input.at("shape").get<std::vector<std::int64_t>>();
    const auto size = input.at("parameters").at("binary_data_size").get<std::size_t>();
    if (input.at("name").get<std::string>() != network_.input_name() ||
        input.at("datatype").get<std::string>() != "FP32" || shape != network_.shape()) {
      throw std::runtime_error("unexpected input");
    }
    if (size != network_.input().size() * sizeof(float) || head + size != body.size()) {
      throw std::runtime_error("wrong binary size");
    }
    std::memcpy(network_.input().data(), body.data() + head, size);
    network_.Run();
    Reply(json);
  }

  void Reply(const Json& request) {
    const std::size_t size = network_.output().size() * sizeof(float);
    Json reply = {{"model_name", "mlp"},
                  {"model_version", "1"},
                  {"outputs",
                   {{{"name", network_.output_name()},
                     {"datatype", "FP32"},
                     {"shape", network_.output_shape()},
                     {"parameters", {{"binary_data_size", size}}}}}}};
    if (request.contains("id")) reply["id"] = request["id"];
    std::string& body = response_.body();
    body = reply.dump();
    response_.set("Inference-Header-Content-Length", std::to_string(body.size()));
    response_.set(http::field::content_type, "application/octet-stream");
    body.append(reinterpret_cast<const char*>(network_.output().data()), size);
  }

  beast::tcp_stream stream_;
  Network& network_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

/// Accepts on a port of 127.0.0.1 and serves, all on the thread that runs `io`. With `share_port`
/// the kernel deals the connections to every acceptor of the port.
class Acceptor {
 public:
  Acceptor(asio::io_context& io, Network& network, unsigned short port, bool share_port)
      : acceptor_(io), network_(network) {
    const Tcp::endpoint endpoint(asio::ip::make_address("127.0.0.1"), port);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(Tcp::acceptor::reuse_address(true));
    if (share_port) {
      acceptor_.set_option(asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true));
    }
    acceptor_.bind(endpoint);
    acceptor_.listen(4096);
    Accept();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, Tcp::socket socket) {
      if (!error) std::make_shared<Session>(std::move(socket), network_)->Read();
      Accept();
    });
  }

  Tcp::acceptor acceptor_;
  Network& network_;
};

}  // namespace yardstick
