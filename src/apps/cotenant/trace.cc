#include "apps/cotenant/trace.h"

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/cotenant/decision_rows.h"
#include "apps/cotenant/result_json.h"
#include "apps/cotenant/run_report.h"
#include "config/command_flags.h"
#include "config/model_conversion.h"
#include "config/run_result_file.h"
#include "config/scenario_text.h"
#include "config/trace_file.h"
#include "simulation/recorded_load.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// Logs are read whole. Raise it for longer ones.
constexpr std::int64_t kLogBytesMax = std::int64_t{8} << 30;
constexpr std::size_t kLogsMax = 1000;

constexpr CommandUsage kUsage = {
    "trace",
    "LOG [LOG…]",
    "one event log or more",
    1,
    kLogsMax,
    "What came in while `cotenant serve --record LOG` ran, as the CSV and the scenario that\n"
    "`cotenant simulate` and `cotenant load` play. Give LOG.1 beside LOG for a longer past."};

struct Settings {
  std::string output;
  std::string scenario;
  std::string profile;
  std::string decisions;
  std::string json;
};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

using Arrivals = std::vector<TraceArrivals::Row>;

const Arrivals& ArrivalsOf(const Scenario& scenario) {
  static const Arrivals none;
  return scenario.sources.empty() ? none
                                  : std::get<TraceArrivals>(scenario.sources.front().arrivals).rows;
}

std::vector<std::string> TenantNamesOf(const Scenario& scenario) {
  std::vector<std::string> names;
  for (const Tenant& tenant : scenario.node.tenants) names.push_back(tenant.name);
  return names;
}

/// Requests by tenant and model, in the scenario's order.
std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> CountsOf(const Scenario& scenario) {
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> counts;
  for (const TraceArrivals::Row& row : ArrivalsOf(scenario)) ++counts[{row.tenant, row.model}];
  return counts;
}

std::string JsonOf(const RecordedLoad& load, const std::vector<std::string>& logs) {
  const Scenario& scenario = load.scenario;
  nlohmann::ordered_json json;
  json["command"] = "trace";
  json["logs"] = logs;
  json["arrivals"] = load.arrivals;
  json["span_ns"] = load.arrivals == 0 ? 0 : ArrivalsOf(scenario).back().at.nanoseconds();
  json["gaps"] = load.gaps;
  json["lost_cranks"] = load.lost_cranks;
  json["torn_bytes"] = load.torn_bytes;
  json["requests"] = nlohmann::ordered_json::array();
  for (const auto& [who, count] : CountsOf(scenario)) {
    json["requests"].push_back({{"tenant", scenario.node.tenants[who.first].name},
                                {"model", scenario.models[who.second].name},
                                {"count", count}});
  }
  return json.dump(2) + "\n";
}

void Print(const RecordedLoad& load) {
  const Scenario& scenario = load.scenario;
  std::printf("%" PRIu64 " requests over %.3f s\n\n", load.arrivals,
              load.arrivals == 0 ? 0.0 : ArrivalsOf(scenario).back().at.seconds());
  std::vector<std::vector<std::string>> rows = {{"tenant", "model", "requests"}};
  for (const auto& [who, count] : CountsOf(scenario)) {
    rows.push_back({scenario.node.tenants[who.first].name, scenario.models[who.second].name,
                    std::to_string(count)});
  }
  std::fputs(AlignedTable(rows).c_str(), stdout);
  if (load.gaps > 0) {
    std::printf("the recorder fell behind %" PRIu64 " times: requests are missing there\n",
                load.gaps);
  }
}

/// As a scenario names the file: relative to its own folder.
std::string NamedFrom(const std::string& scenario, const std::string& file) {
  if (file.empty()) return file;
  const fs::path folder = fs::absolute(scenario).parent_path();
  return fs::absolute(file).lexically_normal().lexically_proximate(folder.lexically_normal());
}

Status WriteFiles(const Settings& settings, Scenario& scenario) {
  if (settings.output.empty() && settings.scenario.empty()) return Status();
  COTENANT_RETURN_IF_ERROR(CheckScenarioNames(scenario));
  if (ArrivalsOf(scenario).size() > kTraceRowsMax) {
    return InvalidArgument("the logs hold " + std::to_string(ArrivalsOf(scenario).size()) +
                           " requests, a trace at most " + std::to_string(kTraceRowsMax) +
                           ": give fewer logs");
  }
  COTENANT_RETURN_IF_ERROR(
      WriteTextFile(settings.output,
                    TraceText({ArrivalsOf(scenario)}, TenantNamesOf(scenario), scenario.models)));
  if (settings.scenario.empty()) return Status();
  scenario.description = "as recorded";
  return WriteTextFile(settings.scenario,
                       ScenarioText(scenario, {NamedFrom(settings.scenario, settings.output),
                                               NamedFrom(settings.scenario, settings.profile)}));
}

Status WriteDecisions(const std::string& path, std::span<const std::string_view> logs) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return Unavailable("cannot write '" + path + "'");
  Status status;
  for (const std::string_view log : logs) {
    if (status.ok()) status = WriteDecisionRows(log, file);
  }
  if (std::fclose(file) != 0 && status.ok()) status = Unavailable("cannot write '" + path + "'");
  return status;
}

int Convert(const Settings& settings, const std::vector<std::string>& paths) {
  std::vector<std::string> logs;
  for (const std::string& path : paths) {
    Result<std::string> log = ReadFile(path, kLogBytesMax);
    if (!log.ok()) return Fail(2, log.status().message());
    logs.push_back(*std::move(log));
  }
  const std::vector<std::string_view> views(logs.begin(), logs.end());
  Result<RecordedLoad> load = ReadRecordedLoad(views);
  if (!load.ok()) return Fail(2, load.status().message());
  Status written = WriteFiles(settings, load->scenario);
  if (written.ok() && !settings.decisions.empty()) {
    written = WriteDecisions(settings.decisions, views);
  }
  if (written.ok() && !settings.json.empty()) {
    written = WriteResultJson(settings.json, JsonOf(*load, paths));
  }
  if (!written.ok()) return Fail(1, written.message());
  Print(*load);
  return 0;
}

}  // namespace

int Trace(std::span<const std::string> arguments) {
  Settings settings;
  const CommandFlag flags[] = {
      {"output", FlagKind::kValue, "FILE", "write the arrivals as CSV (docs/scenarios.md)",
       SetsText(settings.output)},
      {"scenario", FlagKind::kValue, "FILE",
       "also write a scenario that plays them: tenants, policies, models as recorded",
       SetsText(settings.scenario)},
      {"profile", FlagKind::kValue, "FILE",
       "the scenario's run times are this file's, of cotenant profile, not the log's",
       SetsText(settings.profile)},
      {"decisions", FlagKind::kValue, "FILE",
       "write what arrived, began and ended as CSV (docs/replay.md)", SetsText(settings.decisions)},
      {"json", FlagKind::kValue, "FILE", "write the counts that are printed",
       SetsText(settings.json)}};
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  if (!settings.scenario.empty() && settings.output.empty()) {
    return Fail(2, "--scenario needs --output: the scenario names the CSV file");
  }
  if (!settings.profile.empty() && settings.scenario.empty()) {
    return Fail(2, "--profile is the scenario's: it needs --scenario");
  }
  return Convert(settings, line.words);
}

}  // namespace cotenant
