#include "protocol/grpc/grpc_acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "server/clock.h"
#include "server/worker_pool.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

constexpr int kGrpcBacklog = 4096;
/// Until the next try when no client could be taken; waiting for the socket would end at once.
constexpr int kNobodyTakenPauseMs = 100;
/// Connections are counted at most so often, because that takes time for each of them.
constexpr Duration kCountEvery = Duration::Milliseconds(100);

int OpenSpareFile() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

/// Files of names list an address more than once.
bool IsAgain(const addrinfo& place, const addrinfo* first) {
  for (; first != &place; first = first->ai_next) {
    if (first->ai_addrlen == place.ai_addrlen &&
        std::memcmp(first->ai_addr, place.ai_addr, place.ai_addrlen) == 0) {
      return true;
    }
  }
  return false;
}

void CloseAll(std::vector<int>& descriptors) {
  for (const int descriptor : descriptors) close(descriptor);
  descriptors.clear();
}

}  // namespace

GrpcAcceptor::~GrpcAcceptor() {
  Stop();
  CloseAll(listening_);
  for (const int descriptor : {stop_, spare_}) {
    if (descriptor >= 0) close(descriptor);
  }
}

Status GrpcAcceptor::Listen(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  const std::string host = bracketed ? address.substr(1, address.size() - 2) : address;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return Unavailable(gai_strerror(error));
  port_ = port;
  int reason = 0;
  for (const addrinfo* place = found; place != nullptr; place = place->ai_next) {
    if (IsAgain(*place, found)) continue;
    const int here = ListenAt(*place);
    // A name may stand for an address of a family that this machine does not have.
    const bool absent = here == EADDRNOTAVAIL || here == EAFNOSUPPORT;
    if (here != 0 && (reason == 0 || !absent)) reason = here;
    if (here != 0 && !absent) break;
  }
  freeaddrinfo(found);
  if (!listening_.empty() && (reason == 0 || reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT)) {
    return Status();
  }
  CloseAll(listening_);
  return Unavailable(std::strerror(reason));
}

int GrpcAcceptor::ListenAt(const addrinfo& place) {
  // Not for the processes that measure networks: they would keep the port.
  const int listening =
      socket(place.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (listening < 0) return errno;
  sockaddr_storage where{};
  std::memcpy(&where, place.ai_addr, place.ai_addrlen);
  const bool v6 = place.ai_family == AF_INET6;
  in_port_t& number = v6 ? reinterpret_cast<sockaddr_in6&>(where).sin6_port
                         : reinterpret_cast<sockaddr_in&>(where).sin_port;
  number = htons(port_);  // Any free port is the same one on every address.
  const int on = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (v6) setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  socklen_t size = sizeof where;
  if (bind(listening, reinterpret_cast<const sockaddr*>(&where), place.ai_addrlen) != 0 ||
      listen(listening, kGrpcBacklog) != 0 ||
      getsockname(listening, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    const int reason = errno;
    close(listening);
    return reason;
  }
  listening_.push_back(listening);
  port_ = ntohs(number);
  return 0;
}

void GrpcAcceptor::Start(Links links) {
  links_ = std::move(links);
  stop_ = eventfd(0, EFD_CLOEXEC);
  spare_ = OpenSpareFile();
  thread_ = std::thread([this] { Loop(); });
}

void GrpcAcceptor::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_, 1);
  thread_.join();
}

void GrpcAcceptor::Loop() {
  PrepareThread("grpc-accept", 0);
  std::vector<pollfd> awaited = {{stop_, POLLIN, 0}};
  for (const int listening : listening_) awaited.push_back({listening, POLLIN, 0});
  while (true) {
    if (poll(awaited.data(), awaited.size(), -1) < 0 && errno != EINTR) return;
    if (awaited[0].revents != 0) return;
    bool taken = true;
    for (std::size_t i = 1; i < awaited.size(); ++i) {
      if (awaited[i].revents != 0) taken = Accept(awaited[i].fd) && taken;
    }
    if (!taken) poll(awaited.data(), 1, kNobodyTakenPauseMs);
  }
}

bool GrpcAcceptor::Accept(int listening) {
  while (true) {
    const int descriptor = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      if (spare_ < 0) spare_ = OpenSpareFile();
      Deal(descriptor);
    } else if (errno == EMFILE || errno == ENFILE) {
      // Somebody else may have taken the last one before this could have it back.
      if (spare_ < 0) spare_ = OpenSpareFile();
      if (spare_ < 0) return false;
      close(std::exchange(spare_, -1));
      const int refused = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (refused >= 0) {
        close(refused);
        links_.refused();
        LogLimited(LogLevel::kWarning, "gRPC's descriptors",
                   "out of file descriptors: a gRPC connection was refused; raise the limit "
                   "(ulimit -n)");
      }
      spare_ = OpenSpareFile();
      if (refused < 0) return errno == EAGAIN;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return false;
    }
  }
}

void GrpcAcceptor::Deal(int descriptor) {
  if (!HasRoom()) {
    close(descriptor);
    links_.refused();
    LogLimited(LogLevel::kWarning, "gRPC's connections",
               "a gRPC connection was refused: " + std::to_string(connections_max_) +
                   " are open, as many as --grpc-connections-max has it");
    return;
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++open_;
  links_.take(descriptor);
}

bool GrpcAcceptor::HasRoom() {
  if (open_ < connections_max_) return true;
  const Instant now = MonotonicNow();
  if (now - counted_ < kCountEvery) return false;
  open_ = links_.count_open();
  // From when it was counted on, however long that took.
  counted_ = MonotonicNow();
  return open_ < connections_max_;
}

}  // namespace cotenant
