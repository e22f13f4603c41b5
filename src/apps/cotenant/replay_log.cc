#include "apps/cotenant/replay_log.h"

#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cotenant/result_json.h"
#include "config/model_conversion.h"
#include "config/run_result_file.h"
#include "simulation/replay.h"

namespace cotenant {
namespace {

/// Logs are read whole. Raise it for longer ones.
constexpr std::int64_t kLogBytesMax = std::int64_t{8} << 30;

std::string JsonOf(const std::string& path, const ReplayResult& result) {
  nlohmann::ordered_json json;
  json["command"] = "replay";
  json["log"] = path;
  json["equal"] = result.equal();
  json["cranks"] = result.cranks;
  json["events"] = result.events;
  json["arrivals"] = result.arrivals;
  json["actions"] = result.actions;
  json["gaps"] = result.gaps;
  json["lost_cranks"] = result.lost_cranks;
  json["torn_bytes"] = result.torn_bytes;
  json["span_ns"] = (result.last - result.first).nanoseconds();
  json["digest"] = DigestText(result.digest);
  if (!result.equal()) {
    json["first_difference"] = {{"crank", result.difference->crank},
                                {"offset_bytes", result.difference->offset},
                                {"now_ns", result.difference->now.nanoseconds()},
                                {"text", Describe(*result.difference)}};
  }
  return json.dump(2) + "\n";
}

}  // namespace

int ReplayLog(const std::string& path, const std::string& json) {
  const auto fail = [](int code, const std::string& message) {
    std::fprintf(stderr, "cotenant simulate: %s\n", message.c_str());
    return code;
  };
  const Result<std::string> log = ReadFile(path, kLogBytesMax);
  if (!log.ok()) return fail(2, log.status().message());
  const Result<ReplayResult> result = Replay(*log);
  if (!result.ok()) return fail(2, path + ": " + result.status().message());
  std::printf("%s: %" PRIu64 " cranks, %" PRIu64 " events, %" PRIu64 " arrivals over %.3f s\n",
              path.c_str(), result->cranks, result->events, result->arrivals,
              (result->last - result->first).seconds());
  if (result->gaps > 0) {
    std::printf("the recorder fell behind %" PRIu64 " times: %" PRIu64
                " cranks are not in the log\n",
                result->gaps, result->lost_cranks);
  }
  if (result->torn_bytes > 0) {
    std::printf("the last record is torn: %zu bytes passed over\n", result->torn_bytes);
  }
  if (result->equal()) {
    std::printf("replayed: the same actions, byte for byte; digest %s\n",
                DigestText(result->digest).c_str());
  } else {
    std::printf("NOT the same actions:\n%s", Describe(*result->difference).c_str());
  }
  if (!json.empty()) {
    const Status status = WriteResultJson(json, JsonOf(path, *result));
    if (!status.ok()) return fail(1, status.message());
  }
  return result->equal() ? 0 : 1;
}

}  // namespace cotenant
