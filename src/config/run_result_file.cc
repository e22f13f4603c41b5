#include "config/run_result_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace cotenant {
namespace {

// Keys stay in the order in which they are written.
using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "cotenant run result";
constexpr int kFormatVersion = 1;

struct NamedSpan {
  const char* key;
  Duration LatencyFigures::*field;
};
constexpr NamedSpan kLatencies[] = {
    {"mean_ns", &LatencyFigures::mean}, {"min_ns", &LatencyFigures::least},
    {"p50_ns", &LatencyFigures::p50},   {"p90_ns", &LatencyFigures::p90},
    {"p95_ns", &LatencyFigures::p95},   {"p99_ns", &LatencyFigures::p99},
    {"p999_ns", &LatencyFigures::p999}, {"max_ns", &LatencyFigures::greatest},
};

constexpr struct {
  const char* key;
  Duration WallFacts::*field;
} kWallSpans[] = {
    {"took_ns", &WallFacts::took},
    {"client_cpu_ns", &WallFacts::client_cpu},
    {"late_p50_ns", &WallFacts::late_p50},
    {"late_p99_ns", &WallFacts::late_p99},
    {"late_max_ns", &WallFacts::late_max},
    {"waited_for_connection_p99_ns", &WallFacts::waited_p99},
    {"waited_for_connection_max_ns", &WallFacts::waited_max},
};
constexpr struct {
  const char* key;
  std::uint64_t WallFacts::*field;
} kWallCounts[] = {
    {"waited_for_connection", &WallFacts::waited_for_connection},
    {"connections_opened", &WallFacts::connections_opened},
    {"connections_peak", &WallFacts::connections_peak},
};

constexpr struct {
  const char* key;
  std::uint64_t SimulatedFacts::*field;
} kSimulatedCounts[] = {
    {"cranks", &SimulatedFacts::cranks},
    {"runs", &SimulatedFacts::runs},
    {"batched_runs", &SimulatedFacts::batched},
    {"inline_runs", &SimulatedFacts::inline_runs},
};

Json PercentOf(const std::optional<std::int64_t>& thousandths) {
  if (!thousandths) return nullptr;
  return static_cast<double>(*thousandths) / 1000;
}

Json GroupJson(const RunResult& result, const GroupResult& group) {
  Json json;
  json["name"] = group.name;
  json["requests"] = group.requests;
  for (std::size_t end = 0; end < kRunEnds; ++end) {
    json[std::string(RunEndName(static_cast<RunEnd>(end)))] = group.ends[end];
  }
  Json& reasons = json["rejected_by_reason"];
  for (std::size_t reason = 0; reason < kRunReasons; ++reason) {
    reasons[std::string(RunReasonName(reason))] = group.rejected[reason];
  }
  json["refused_percent"] = PercentOf(group.RefusedMilliPercent());
  json["bounded"] = group.bounded;
  json["bounds_met"] = group.bounds_met;
  json["bounds_met_percent"] = PercentOf(group.BoundsMetMilliPercent());
  json["rows_replied"] = group.rows_replied;
  json["cold_starts"] = group.cold_starts;
  if (!group.answered_by.empty()) {
    json["points_lost_mean"] = static_cast<double>(group.MeanPointsLost()) / 1000;
    json["points_lost_sum_milli"] = group.points_lost;
    Json& variants = json["answered_by"];
    for (const auto& [variant, count] : group.answered_by) {
      variants.push_back({{"variant", variant}, {"replied", count}});
    }
  }
  json["throughput_per_second"] = result.ThroughputPerSecond(group);
  Json& latency = json["latency"];
  for (const NamedSpan& named : kLatencies) {
    latency[named.key] = (group.latency.*named.field).nanoseconds();
  }
  return json;
}

Json WallJson(const WallFacts& wall) {
  Json json;
  json["started"] = wall.started;
  json["url"] = wall.url;
  json["host_steal_percent"] = wall.host_steal_percent;
  json["host_idle_percent"] = wall.host_idle_percent;
  for (const auto& span : kWallSpans) json[span.key] = (wall.*span.field).nanoseconds();
  for (const auto& count : kWallCounts) json[count.key] = wall.*count.field;
  return json;
}

Json MemoryJson(const MemoryResult& memory) {
  return Json{{"limit_bytes", memory.limit.count()},
              {"loads", memory.loads},
              {"loads_failed", memory.loads_failed},
              {"load_time_ns", memory.load_time.nanoseconds()},
              {"evictions", memory.evictions}};
}

Json SimulatedJson(const SimulatedFacts& facts) {
  Json json;
  json["digest"] = DigestText(facts.digest);
  for (const auto& count : kSimulatedCounts) json[count.key] = facts.*count.field;
  json["took_ns"] = facts.took.nanoseconds();
  return json;
}

/// Reads keys with their path for messages; the first mistake is kept and the rest is zero.
class Reader {
 public:
  Reader(const Json& json, std::string path, std::string& error)
      : json_(json), path_(std::move(path)), error_(error) {}

  template <typename T>
  T Get(const char* key) const {
    const auto found = json_.find(key);
    if (found != json_.end()) {
      if constexpr (std::is_same_v<T, std::string>) {
        if (found->is_string()) return found->template get<std::string>();
      } else if constexpr (std::is_same_v<T, bool>) {
        if (found->is_boolean()) return found->template get<bool>();
      } else if constexpr (std::is_integral_v<T>) {
        const bool fits = std::is_signed_v<T> || found->is_number_unsigned();
        if (found->is_number_integer() && fits) return found->template get<T>();
      } else {
        if (found->is_number()) return found->template get<T>();
      }
    }
    Wrong(key);
    return T{};
  }

  Duration Span(const char* key) const { return Duration::Nanoseconds(Get<std::int64_t>(key)); }

  Reader Object(const char* key) const { return Child(key, &Json::is_object); }
  /// Calls with a Reader for each element that must be an object.
  template <typename Each>
  void Objects(const char* key, Each each) const {
    const Reader list = Child(key, &Json::is_array);
    std::size_t index = 0;
    for (const Json& element : list.json_) {
      const std::string place = path_ + key + "[" + std::to_string(index++) + "]";
      if (!element.is_object()) {
        if (error_.empty()) error_ = "'" + place + "' must be an object";
        return;
      }
      each(Reader(element, place + ".", error_));
    }
  }
  bool Has(const char* key) const { return json_.contains(key); }

 private:
  Reader Child(const char* key, bool (Json::*is)() const noexcept) const {
    static const Json kNothing = Json::array();
    const auto found = json_.find(key);
    if (found == json_.end() || !((*found).*is)()) {
      Wrong(key);
      return Reader(kNothing, path_ + key + ".", error_);
    }
    return Reader(*found, path_ + key + ".", error_);
  }
  void Wrong(const char* key) const {
    if (error_.empty()) error_ = "'" + path_ + key + "' is missing or of another type";
  }

  const Json& json_;
  std::string path_;
  std::string& error_;
};

GroupResult ReadGroup(const Reader& reader) {
  GroupResult group;
  group.name = reader.Get<std::string>("name");
  group.requests = reader.Get<std::uint64_t>("requests");
  for (std::size_t end = 0; end < kRunEnds; ++end) {
    const std::string key(RunEndName(static_cast<RunEnd>(end)));
    group.ends[end] = reader.Get<std::uint64_t>(key.c_str());
  }
  const Reader reasons = reader.Object("rejected_by_reason");
  for (std::size_t reason = 0; reason < kRunReasons; ++reason) {
    const std::string key(RunReasonName(reason));
    if (!reasons.Has(key.c_str())) continue;
    group.rejected[reason] = reasons.Get<std::uint64_t>(key.c_str());
  }
  group.bounded = reader.Get<std::uint64_t>("bounded");
  group.bounds_met = reader.Get<std::uint64_t>("bounds_met");
  group.rows_replied = reader.Get<std::uint64_t>("rows_replied");
  // Not in files of older programs, as some reasons are not.
  if (reader.Has("cold_starts")) group.cold_starts = reader.Get<std::uint64_t>("cold_starts");
  if (reader.Has("answered_by")) {
    group.points_lost = reader.Get<std::int64_t>("points_lost_sum_milli");
    reader.Objects("answered_by", [&group](const Reader& variant) {
      group.answered_by.emplace_back(variant.Get<std::string>("variant"),
                                     variant.Get<std::uint64_t>("replied"));
    });
  }
  const Reader latency = reader.Object("latency");
  for (const NamedSpan& named : kLatencies) group.latency.*named.field = latency.Span(named.key);
  return group;
}

MemoryResult ReadMemory(const Reader& reader) {
  MemoryResult memory;
  memory.limit = Bytes(reader.Get<std::int64_t>("limit_bytes"));
  memory.loads = reader.Get<std::uint64_t>("loads");
  memory.loads_failed = reader.Get<std::uint64_t>("loads_failed");
  memory.load_time = reader.Span("load_time_ns");
  memory.evictions = reader.Get<std::uint64_t>("evictions");
  return memory;
}

SimulatedFacts ReadSimulated(const Reader& reader) {
  SimulatedFacts facts;
  facts.digest = std::strtoull(reader.Get<std::string>("digest").c_str(), nullptr, 16);
  for (const auto& count : kSimulatedCounts) {
    facts.*count.field = reader.Get<std::uint64_t>(count.key);
  }
  facts.took = reader.Span("took_ns");
  return facts;
}

WallFacts ReadWall(const Reader& reader) {
  WallFacts wall;
  wall.started = reader.Get<std::string>("started");
  wall.url = reader.Get<std::string>("url");
  wall.host_steal_percent = reader.Get<double>("host_steal_percent");
  wall.host_idle_percent = reader.Get<double>("host_idle_percent");
  for (const auto& span : kWallSpans) wall.*span.field = reader.Span(span.key);
  for (const auto& count : kWallCounts) wall.*count.field = reader.Get<std::uint64_t>(count.key);
  return wall;
}

RunResult ReadAll(const Reader& reader) {
  RunResult result;
  result.command = reader.Get<std::string>("command");
  result.scenario = reader.Get<std::string>("scenario");
  result.seed = reader.Get<std::uint64_t>("seed");
  result.lasts = reader.Span("lasts_ns");
  result.all = ReadGroup(reader.Object("all"));
  reader.Objects("tenants",
                 [&](const Reader& group) { result.tenants.push_back(ReadGroup(group)); });
  reader.Objects("models", [&](const Reader& group) { result.models.push_back(ReadGroup(group)); });
  reader.Objects("expectations", [&](const Reader& expectation) {
    result.expectations.push_back({expectation.Get<std::string>("text"),
                                   expectation.Get<bool>("held"),
                                   expectation.Get<std::string>("value")});
  });
  reader.Objects("errors", [&](const Reader& error) {
    result.errors.emplace_back(error.Get<std::string>("text"), error.Get<std::uint64_t>("count"));
  });
  if (reader.Has("memory")) result.memory = ReadMemory(reader.Object("memory"));
  if (reader.Has("simulated")) result.simulated = ReadSimulated(reader.Object("simulated"));
  // Simulated runs have no such facts but when they were made, and how long that took.
  if (reader.Has("wall") && reader.Object("wall").Has("url")) {
    result.wall = ReadWall(reader.Object("wall"));
  }
  return result;
}

}  // namespace

std::string DigestText(std::uint64_t digest) {
  std::array<char, 17> text;
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(digest));
  return text.data();
}

std::string RunResultJson(const RunResult& result) {
  Json json;
  json["format"] = kFormat;
  json["format_version"] = kFormatVersion;
  json["command"] = result.command;
  json["scenario"] = result.scenario;
  json["seed"] = result.seed;
  json["lasts_ns"] = result.lasts.nanoseconds();
  json["all"] = GroupJson(result, result.all);
  for (const char* key : {"tenants", "models"}) {
    Json& list = json[key] = Json::array();
    const bool tenants = std::string_view(key) == "tenants";
    for (const GroupResult& group : tenants ? result.tenants : result.models) {
      list.push_back(GroupJson(result, group));
    }
  }
  Json& expectations = json["expectations"] = Json::array();
  for (const ExpectationResult& expectation : result.expectations) {
    expectations.push_back(
        {{"text", expectation.text}, {"held", expectation.held}, {"value", expectation.value}});
  }
  Json& errors = json["errors"] = Json::array();
  for (const auto& [text, count] : result.errors) {
    errors.push_back({{"text", text}, {"count", count}});
  }
  if (result.memory) json["memory"] = MemoryJson(*result.memory);
  if (result.simulated) json["simulated"] = SimulatedJson(*result.simulated);
  if (result.wall) json["wall"] = WallJson(*result.wall);
  // Error texts come from servers, and may be anything.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<RunResult> ParseRunResult(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    return InvalidArgument("not a result file of cotenant load or simulate");
  }
  if (json.value("format_version", Json()) != kFormatVersion) {
    return InvalidArgument("written by another version of cotenant");
  }
  std::string error;
  RunResult result = ReadAll(Reader(json, "", error));
  if (!error.empty()) return InvalidArgument(error);
  return result;
}

Status WriteTextFile(const std::string& path, std::string_view text) {
  std::error_code ignored;
  const bool special =
      std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored);
  const std::string draft = special ? path : path + ".partial";
  std::ofstream file(draft, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file || (!special && std::rename(draft.c_str(), path.c_str()) != 0)) {
    const std::string why = std::strerror(errno);
    if (!special) std::remove(draft.c_str());
    return InvalidArgument("cannot write '" + path + "': " + why);
  }
  return {};
}

Result<RunResult> ReadRunResult(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("cannot read '" + path + "': " + std::strerror(errno));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Result<RunResult> result = ParseRunResult(text);
  if (!result.ok()) return Status(result.status().code(), path + ": " + result.status().message());
  return result;
}

}  // namespace cotenant
