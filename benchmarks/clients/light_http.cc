// A light HTTP client: one thread, raw sockets, epoll, binary tensors, keep-alive; prints one line
// of JSON.
//
//   light_http --port P [--model mlp] [--input x --shape 1,64 --output y] [--connections C]
//   [--seconds S | --count N]
//              [--rate R] [--bound-ms B] [--header 'name: value'] [--warmup-seconds W]
//
// Closed loop: every connection sends its next request when its answer is in. With --rate: requests
// are due at even intervals, a request that finds all connections taken waits, and its latency
// counts from when it was due. Where the answer says so (`queue_ms`, `compute_ms`, `bound_met`),
// server-side times and met bounds are counted too.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "clients/measure.h"

namespace {

using light::Clock;

struct Options {
  int port = 8000;
  std::string model = "mlp", input = "x", output = "y", shape = "1,64", bound_ms;
  std::vector<std::string> headers;
  std::size_t connections = 1;
  double seconds = 3, warmup = 0.3, rate = 0;
  std::uint64_t count = 0;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) throw std::runtime_error(flag + " needs a value");
    const std::string value = argv[i + 1];
    if (flag == "--port")
      options.port = std::stoi(value);
    else if (flag == "--model")
      options.model = value;
    else if (flag == "--input")
      options.input = value;
    else if (flag == "--output")
      options.output = value;
    else if (flag == "--shape")
      options.shape = value;
    else if (flag == "--connections")
      options.connections = std::stoul(value);
    else if (flag == "--seconds")
      options.seconds = std::stod(value);
    else if (flag == "--warmup-seconds")
      options.warmup = std::stod(value);
    else if (flag == "--count")
      options.count = std::stoull(value);
    else if (flag == "--rate")
      options.rate = std::stod(value);
    else if (flag == "--bound-ms")
      options.bound_ms = value;
    else if (flag == "--header")
      options.headers.push_back(value);
    else
      throw std::runtime_error("unknown flag " + flag);
  }
  return options;
}

/// Head, JSON and tensor of the one request that is sent over and over.
std::string Request(const Options& options) {
  std::size_t elements = 1;
  std::istringstream dims(options.shape);
  for (std::string dim; std::getline(dims, dim, ',');) elements *= std::stoul(dim);
  const std::size_t size = elements * sizeof(float);
  const std::string json =
      "{\"inputs\":[{\"name\":\"" + options.input + "\",\"shape\":[" + options.shape +
      "],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":" + std::to_string(size) +
      "}}],\"outputs\":[{\"name\":\"" + options.output +
      "\",\"parameters\":{\"binary_data\":true}}]}";
  std::string text = "POST /v2/models/" + options.model + "/infer HTTP/1.1\r\nHost: localhost\r\n" +
                     "Content-Type: application/octet-stream\r\n" +
                     "Inference-Header-Content-Length: " + std::to_string(json.size()) +
                     "\r\nContent-Length: " + std::to_string(json.size() + size) + "\r\n";
  if (!options.bound_ms.empty()) text += "X-Latency-Bound-Ms: " + options.bound_ms + "\r\n";
  for (const auto& header : options.headers) text += header + "\r\n";
  text += "\r\n" + json;
  for (std::size_t i = 0; i < elements; ++i) {
    const float value = static_cast<float>(i % 17) * 0.05F - 0.4F;
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return text;
}

/// A number behind `"key":` in a JSON head; -1 when it is not there.
double NumberBehind(std::string_view json, std::string_view key) {
  const std::size_t at = json.find(key);
  if (at == std::string_view::npos) return -1;
  std::size_t begin = at + key.size();
  while (begin < json.size() && (json[begin] == ' ' || json[begin] == ':')) ++begin;
  double value = -1;
  std::from_chars(json.data() + begin, json.data() + json.size(), value);
  return value;
}

struct Answer {
  int status = 0;
  bool close = false;
  std::string_view body;
};

/// True when a whole answer lies in `bytes`.
bool ParseAnswer(std::string_view bytes, Answer& answer) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == std::string_view::npos || bytes.size() < 12) return false;
  std::size_t length = 0;
  std::size_t line = bytes.find("\r\n") + 2;
  while (line < head + 2) {
    const std::string_view text = bytes.substr(line, bytes.find("\r\n", line) - line);
    if (text.size() > 15 && strncasecmp(text.data(), "content-length:", 15) == 0) {
      const char* begin = text.data() + 15;
      while (*begin == ' ') ++begin;
      std::from_chars(begin, text.data() + text.size(), length);
    }
    if (strncasecmp(text.data(), "connection: close", 17) == 0) answer.close = true;
    line += text.size() + 2;
  }
  if (bytes.size() < head + 4 + length) return false;
  answer.status = std::atoi(bytes.substr(9, 3).data());
  answer.body = bytes.substr(head + 4, length);
  return true;
}

class Client {
 public:
  explicit Client(Options options) : options_(std::move(options)), request_(Request(options_)) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    connections_.resize(options_.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) Connect(i);
  }

  void Run() {
    prctl(PR_SET_TIMERSLACK, 1);
    Phase(options_.warmup, 0);
    measure_ = light::Measure();
    measure_.Begin();
    Phase(options_.count != 0 ? 1e9 : options_.seconds, options_.count);
    measure_.Print(connections_.size(), broken_);
  }

 private:
  struct Connection {
    int socket = -1;
    bool busy = false;
    Clock::time_point due;
    std::size_t sent = 0;
    std::string received;
  };

  void Connect(std::size_t index) {
    Connection& connection = connections_[index];
    if (connection.socket >= 0) close(connection.socket);
    connection = Connection{};
    connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
  }

  void Send(std::size_t index, Clock::time_point due) {
    Connection& connection = connections_[index];
    connection.busy = true;
    connection.due = due;
    connection.received.clear();
    connection.sent = 0;
    ++in_flight_;
    SendMore(index);
  }

  /// A body larger than the socket's buffer goes out in parts, so that other connections do not
  /// wait for it.
  void SendMore(std::size_t index) {
    Connection& connection = connections_[index];
    const bool was_waiting = connection.sent != 0;
    while (connection.sent < request_.size()) {
      const ssize_t wrote = send(connection.socket, request_.data() + connection.sent,
                                 request_.size() - connection.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (wrote < 0) break;
      connection.sent += static_cast<std::size_t>(wrote);
    }
    const bool waits = connection.sent < request_.size();
    if (waits == was_waiting) return;
    epoll_event event{};
    event.events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket, &event);
  }

  void Receive(std::size_t index) {
    Connection& connection = connections_[index];
    char bytes[65536];
    const ssize_t got = recv(connection.socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      if (connection.busy) --in_flight_;
      if (++broken_ > 1000) throw std::runtime_error("the server closes every connection");
      Connect(index);
      return;
    }
    connection.received.append(bytes, static_cast<std::size_t>(got));
    Answer answer;
    if (!ParseAnswer(connection.received, answer)) return;
    const bool well = answer.status == 200;
    measure_.Add(answer.status, well, light::Microseconds(Clock::now() - connection.due));
    if (well) CountServerSide(answer.body);
    connection.busy = false;
    --in_flight_;
    if (answer.close) Connect(index);
  }

  void CountServerSide(std::string_view body) {
    if (body.find("\"queue_ms\"") == std::string_view::npos) return;
    const double queue = NumberBehind(body, "\"queue_ms\"");
    const double compute = NumberBehind(body, "\"compute_ms\"");
    measure_.AddServerTime(static_cast<float>((queue + compute) * 1000));
    const std::size_t met = body.find("\"bound_met\":");
    if (met != std::string_view::npos) measure_.AddBoundMet(body.substr(met + 12, 4) == "true");
  }

  /// Sends what is due on connections that are free. Returns the milliseconds to wait at most.
  int SendDue(Clock::time_point now, bool sending) {
    if (!sending) return 10;
    if (options_.rate <= 0) {
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        if (!connections_[i].busy) Send(i, Clock::now());
      }
      return 10;
    }
    while (next_due_ <= now) {
      waiting_.push_back(next_due_);
      next_due_ += std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(1 / options_.rate));
    }
    for (std::size_t i = 0; i < connections_.size() && !waiting_.empty(); ++i) {
      if (connections_[i].busy) continue;
      Send(i, waiting_.front());
      waiting_.pop_front();
    }
    return -1;
  }

  void Phase(double seconds, std::uint64_t count) {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
    next_due_ = Clock::now();
    waiting_.clear();
    std::uint64_t sent_before = answered_;
    for (;;) {
      const auto now = Clock::now();
      const bool sending =
          now < end && (count == 0 || answered_ + in_flight_ - sent_before < count);
      if (!sending && (in_flight_ == 0 || now > end + std::chrono::seconds(20))) break;
      const int wait = SendDue(now, sending);
      timespec timeout{0, 10'000'000};
      if (wait < 0) {
        const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(next_due_ - now);
        timeout.tv_nsec = std::clamp<long>(left.count(), 0, 10'000'000);
      }
      epoll_event events[64];
      const std::uint64_t before = in_flight_;
      const int ready = epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
      for (int i = 0; i < ready; ++i) {
        const auto index = static_cast<std::size_t>(events[i].data.u64);
        if ((events[i].events & EPOLLOUT) != 0) SendMore(index);
        if ((events[i].events & ~static_cast<unsigned>(EPOLLOUT)) != 0) Receive(index);
      }
      answered_ += before - in_flight_;
    }
  }

  Options options_;
  std::string request_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::deque<Clock::time_point> waiting_;
  Clock::time_point next_due_;
  std::uint64_t in_flight_ = 0, answered_ = 0, broken_ = 0;
  light::Measure measure_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    Client(Parse(argc, argv)).Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "light_http: %s\n", error.what());
    return 1;
  }
}
