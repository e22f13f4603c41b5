#include "protocol/http/router.h"

#include "protocol/http/hex_digit.h"

namespace cotenant {
namespace {

/// Takes the next segment off a path: "/a/b" gives "a" and leaves "/b".
std::string_view NextSegment(std::string_view& path) {
  if (path.empty()) return {};
  path.remove_prefix(1);
  const std::size_t slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  return segment;
}

}  // namespace

std::string_view DecodePercent(std::string_view text, std::string& scratch) {
  if (text.find('%') == std::string_view::npos) return text;
  scratch.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      scratch += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      scratch += text[i];
    }
  }
  return scratch;
}

namespace {

Route Found(Endpoint endpoint, bool get, bool post) {
  Route route;
  route.endpoint = endpoint;
  route.get = get;
  route.post = post;
  return route;
}

/// Behind "/v2/models".
Route ModelRoute(std::string_view path, std::string& scratch) {
  if (path == "/stats") return Found(Endpoint::kAllStatistics, true, false);
  const std::string_view name = NextSegment(path);
  if (name.empty()) return {};
  std::string_view version;
  if (path.starts_with("/versions/")) {
    NextSegment(path);
    version = NextSegment(path);
    if (version.empty()) return {};
  }
  Route route;
  if (path.empty() || path == "/") {
    route = Found(Endpoint::kModel, true, false);
  } else if (path == "/infer") {
    route = Found(Endpoint::kInfer, false, true);
  } else if (path == "/ready") {
    route = Found(Endpoint::kModelReady, true, false);
  } else if (path == "/config") {
    route = Found(Endpoint::kModelConfig, true, false);
  } else if (path == "/stats") {
    route = Found(Endpoint::kModelStatistics, true, false);
  } else if (path == "/generate" || path == "/generate_stream") {
    route = Found(Endpoint::kGenerate, false, true);
  } else if (path == "/trace/setting") {
    route = Found(Endpoint::kTrace, true, true);
  }
  route.model = DecodePercent(name, scratch);
  route.version = version;
  return route;
}

/// Behind "/v2/repository".
Route RepositoryRoute(std::string_view path, std::string& scratch) {
  std::string_view repository;
  if (path != "/index" && !path.starts_with("/models/")) repository = NextSegment(path);
  Route route;
  if (path == "/index") {
    route = Found(Endpoint::kIndex, false, true);
  } else if (path.starts_with("/models/")) {
    NextSegment(path);
    const std::string_view name = NextSegment(path);
    if (name.empty()) return {};
    if (path == "/load") route = Found(Endpoint::kLoad, false, true);
    if (path == "/unload") route = Found(Endpoint::kUnload, false, true);
    route.model = DecodePercent(name, scratch);
  }
  route.repository = repository;
  return route;
}

/// Behind "/v2/systemsharedmemory" and "/v2/cudasharedmemory".
Route SharedMemoryRoute(std::string_view path) {
  if (path.starts_with("/region/")) {
    NextSegment(path);
    NextSegment(path);
  }
  if (path == "/status") return Found(Endpoint::kSharedMemoryStatus, true, false);
  if (path == "/register" || path == "/unregister") {
    return Found(Endpoint::kSharedMemory, false, true);
  }
  return {};
}

}  // namespace

Route FindRoute(std::string_view target, std::string& scratch) {
  std::string_view path = target.substr(0, target.find('?'));
  if (path == "/") return Found(Endpoint::kPage, true, false);
  if (path == "/metrics") return Found(Endpoint::kMetrics, true, false);
  if (path == "/cotenant/v1/tenants") return Found(Endpoint::kTenants, true, false);
  if (path == "/cotenant/v1/decisions") return Found(Endpoint::kDecisions, true, false);
  if (path == "/cotenant/v1/memory") return Found(Endpoint::kMemory, true, false);
  if (path == "/v2" || path == "/v2/") return Found(Endpoint::kServer, true, false);
  if (!path.starts_with("/v2/")) return {};
  NextSegment(path);
  const std::string_view area = NextSegment(path);
  if (area == "models") return ModelRoute(path, scratch);
  if (area == "health") {
    if (path == "/live") return Found(Endpoint::kLive, true, false);
    if (path == "/ready") return Found(Endpoint::kReady, true, false);
    return {};
  }
  if (area == "repository") return RepositoryRoute(path, scratch);
  if (area == "systemsharedmemory" || area == "cudasharedmemory") return SharedMemoryRoute(path);
  if (area == "trace" && path == "/setting") return Found(Endpoint::kTrace, true, true);
  if (area == "logging" && path.empty()) return Found(Endpoint::kLogging, true, true);
  return {};
}

}  // namespace cotenant
