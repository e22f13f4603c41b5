#include "protocol/grpc/channel_facts.h"

#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

namespace cotenant {
namespace {

using Json = nlohmann::json;

/// Takes the text over; an object without members when it is none.
Json Parsed(char* text) {
  if (text == nullptr) return Json::object();
  Json json = Json::parse(text, nullptr, false);
  gpr_free(text);
  return json.is_object() ? json : Json::object();
}

/// Numbers come as text, and zeros not at all.
std::int64_t NumberOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  if (found->is_number_integer()) return found->get<std::int64_t>();
  return found->is_string() ? std::atoll(found->get<std::string>().c_str()) : 0;
}

Json MemberOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? Json::object() : *found;
}

}  // namespace

std::int64_t NewestServer() {
  std::int64_t newest = 0;
  for (;;) {
    const Json page = Parsed(grpc_channelz_get_servers(newest + 1));
    const Json servers = MemberOf(page, "server");
    if (!servers.is_array() || servers.empty()) return newest;
    for (const Json& server : servers) {
      newest = std::max(newest, NumberOf(MemberOf(server, "ref"), "serverId"));
    }
    if (page.value("end", false)) return newest;
  }
}

std::uint64_t OpenConnections(std::int64_t server) {
  std::uint64_t count = 0;
  for (std::int64_t from = 0;;) {
    const Json page = Parsed(grpc_channelz_get_server_sockets(server, from, 0));
    const Json sockets = MemberOf(page, "socketRef");
    if (!sockets.is_array() || sockets.empty()) return count;
    count += sockets.size();
    from = NumberOf(sockets.back(), "socketId") + 1;
    if (page.value("end", false)) return count;
  }
}

}  // namespace cotenant
