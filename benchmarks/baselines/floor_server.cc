// FROZEN: a yardstick. The figures of docs/performance.md are ratios to this program; never change
// it.
//
// What a request over a socket costs beyond its network, whoever serves it: two threads, epoll, one
// recv, one copy, the run, one send. Nothing is checked, nothing handed over, every reply the same.
//
//   floor_server MODEL.onnx PORT SHAPE    prints "ready" once it listens; requests as of light_http

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "baselines/network.h"

namespace {

struct Half {
  Half(const char* model, const char* shape)
      : network(model, yardstick::ParseShape(shape)), epoll(epoll_create1(0)) {
    const std::size_t size = network.output().size() * sizeof(float);
    std::string json = R"({"model_name":"m","model_version":"1","outputs":[{"name":")" +
                       network.output_name() + R"(","datatype":"FP32","shape":[)";
    for (const auto dim : network.output_shape()) json += std::to_string(dim) + ",";
    json.back() = ']';
    json += R"(,"parameters":{"binary_data_size":)" + std::to_string(size) + "}}]}";
    reply =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        "Inference-Header-Content-Length: " +
        std::to_string(json.size()) + "\r\nContent-Length: " + std::to_string(json.size() + size) +
        "\r\n\r\n" + json;
    head = reply.size();
    reply.resize(head + size);
  }

  void Add(int connection) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = connection;
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event);
  }

  void Run() {
    std::array<epoll_event, 16> events;
    while (true) {
      const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) Serve(events[static_cast<std::size_t>(i)].data.fd);
    }
  }

  void Serve(int connection) {
    std::vector<char>& in = buffers[connection];
    if (in.empty()) in.resize(network.input().size() * sizeof(float) + 4096);
    std::size_t& had = filled[connection];
    const ssize_t got = recv(connection, in.data() + had, in.size() - had, 0);
    if (got <= 0) {
      close(connection);
      buffers.erase(connection);
      filled.erase(connection);
      return;
    }
    had += static_cast<std::size_t>(got);
    const std::string_view text(in.data(), had);
    const std::size_t end = text.find("\r\n\r\n");
    const std::size_t length = text.find("\r\nContent-Length: ");
    if (end == text.npos || length == text.npos) return;
    const std::size_t whole = end + 4 + std::stoul(std::string(text.substr(length + 18, 12)));
    if (had < whole) return;
    const std::size_t size = network.input().size() * sizeof(float);
    std::memcpy(network.input().data(), in.data() + whole - size, size);
    had = 0;
    network.Run();
    std::memcpy(reply.data() + head, network.output().data(), reply.size() - head);
    if (send(connection, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) std::perror("send");
  }

  yardstick::Network network;
  int epoll;
  std::string reply;
  std::size_t head = 0;
  std::map<int, std::vector<char>> buffers;
  std::map<int, std::size_t> filled;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  Half first(argv[1], argv[3]);
  Half second(argv[1], argv[3]);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(argv[2])));
  const int acceptor = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(acceptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(acceptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(acceptor, 4096) != 0) {
    std::perror("listen");
    return 1;
  }
  std::thread([&] { first.Run(); }).detach();
  std::thread([&] { second.Run(); }).detach();
  std::puts("ready");
  std::fflush(stdout);
  for (Half* next = &first;; next = next == &first ? &second : &first) {
    const int connection = accept(acceptor, nullptr, nullptr);
    if (connection >= 0) next->Add(connection);
  }
}
