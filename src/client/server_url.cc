#include "client/server_url.h"

#include <netdb.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace cotenant {
namespace {

Status Wrong(std::string_view text) {
  return InvalidArgument("expected http://HOST:PORT, got '" + std::string(text) + "'");
}

}  // namespace

Result<ServerUrl> ParseServerUrl(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with("https://")) return Unimplemented("https is not supported; use http://");
  const std::string_view rest = text.starts_with(kScheme) ? text.substr(kScheme.size()) : text;
  if (text.find("://") != std::string_view::npos && rest == text) return Wrong(text);
  for (const char c : rest) {
    if (c <= ' ' || c > '~' || c == '@' || c == '?' || c == '#') return Wrong(text);
  }
  ServerUrl url;
  const std::size_t slash = rest.find('/');
  url.authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) url.prefix = rest.substr(slash);
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  std::string_view host = url.authority;
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return Wrong(text);
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  if (host.empty()) return Wrong(text);
  url.host = host;
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data() + 1, end, url.port);
    if (port[0] != ':' || error != std::errc() || stop != end || url.port == 0) return Wrong(text);
  }
  return url;
}

Result<ServerAddress> FindServer(const ServerUrl& url) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(url.port);
  if (const int error = getaddrinfo(url.host.c_str(), port.c_str(), &hints, &list); error != 0) {
    return Unavailable("cannot find '" + url.host + "': " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  int error = ECONNREFUSED;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const int fd = socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int outcome = connect(fd, entry->ai_addr, entry->ai_addrlen);
    if (outcome != 0) error = errno;
    close(fd);
    if (outcome != 0) continue;
    ServerAddress address;
    std::memcpy(&address.bytes, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    return address;
  }
  return Unavailable("cannot connect to " + url.authority + ": " + std::strerror(error));
}

}  // namespace cotenant
