#include "apps/cotenant/profile_from_log.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cotenant/run_report.h"
#include "config/directory_source.h"
#include "config/model_conversion.h"
#include "config/network_hash.h"
#include "config/profile_file.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

/// Logs are read whole. Raise it for longer ones.
constexpr std::int64_t kLogBytesMax = std::int64_t{8} << 30;

Result<RecordedTimes> ReadLogs(const std::vector<std::string>& paths) {
  std::vector<std::string> logs;
  for (const std::string& path : paths) {
    Result<std::string> log = ReadFile(path, kLogBytesMax);
    if (!log.ok()) return log.status();
    logs.push_back(*std::move(log));
  }
  return ReadRecordedTimes(std::vector<std::string_view>(logs.begin(), logs.end()));
}

Status RefineNetwork(const ProfileStore& store, const std::string& title, const VersionFile& file,
                     RefinedProfile& refined) {
  Result<std::string> hash = NetworkHash(file);
  if (!hash.ok()) return hash.status();
  ModelProfile kept = store.Find(title, file).profile.value_or(ModelProfile());
  kept.model = title;
  kept.version = file.version;
  ModelProfile better = Refined(refined.seen.models.at(title), kept);
  if (better.runs.empty()) return NotFound("no run of it is in the logs, and no profile is kept");
  refined.kept.models.push_back({*hash, std::move(kept)});
  refined.profile.models.push_back({*std::move(hash), std::move(better)});
  return Status();
}

Status RefineModel(DirectorySource& source, const ProfileStore& store, const std::string& name,
                   RefinedProfile& refined) {
  const Result<ModelDescription> description = source.Read(name, {});
  if (!description.ok()) return description.status();
  if (description->versions.size() != 1) {
    return FailedPrecondition("it has several versions, and a log does not tell them apart");
  }
  const VersionFile& file = description->versions.front();
  const Status status = RefineNetwork(store, name, file, refined);
  bool any = status.ok();
  for (const VariantSource& variant : file.variants) {
    const std::string title = VariantTitle(name, variant.name);
    any = (refined.seen.models.contains(title) &&
           RefineNetwork(store, title, FileOf(variant, file.version), refined).ok()) ||
          any;
  }
  // Where others answered in its place, a network that never ran is no failure.
  return any ? Status() : status;
}

std::string Ms(Duration span) { return MillisecondsText(span.seconds() * 1e3); }

std::string Change(const TimeDistribution& kept, const TimeDistribution& now) {
  if (kept.empty() || now.empty()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%+.1f %%",
                100 * (now.Mean().seconds() / std::max(kept.Mean().seconds(), 1e-12) - 1));
  return text;
}

void AddTimes(std::vector<std::string>& row, const TimeDistribution& kept,
              const TimeDistribution& now) {
  if (now.empty()) {
    row.insert(row.end(), {"-", "-", "-"});
  } else {
    row.insert(row.end(),
               {kept.empty() ? "-" : Ms(kept.Mean()), Ms(now.Mean()), Change(kept, now)});
  }
}

const RunTimes* RunsOf(const ModelProfile& profile, std::int32_t rows) {
  const auto found = std::ranges::find(profile.runs, rows, &RunTimes::rows);
  return found == profile.runs.end() ? nullptr : &*found;
}

Json TimesJson(const TimeDistribution& times) {
  if (times.empty()) return nullptr;
  return {{"mean_ns", times.Mean().nanoseconds()},
          {"p50_ns", times.Median().nanoseconds()},
          {"max_ns", times.quantiles.back().nanoseconds()}};
}

Json ModelJson(const ModelProfile& kept, const ModelProfile& now, const RecordedTimes& seen) {
  Json json = {{"name", now.model}, {"version", now.version}, {"runs", Json::array()}};
  const RecordedTimes::Model& recorded = seen.models.at(now.model);
  for (const RunTimes& run : now.runs) {
    const RunTimes* before = RunsOf(kept, run.rows);
    const auto samples = recorded.runs.find(run.rows);
    const bool is_seen = samples != recorded.runs.end();
    json["runs"].push_back(
        {{"rows", run.rows},
         {"recorded_alone", is_seen ? samples->second.alone.count() : 0},
         {"recorded_beside", is_seen ? samples->second.beside.count() : 0},
         {"kept_alone", before == nullptr ? Json(nullptr) : TimesJson(before->alone)},
         {"kept_beside", before == nullptr ? Json(nullptr) : TimesJson(before->beside)},
         {"alone", TimesJson(run.alone)},
         {"beside", TimesJson(run.beside)}});
  }
  return json;
}

}  // namespace

Result<RefinedProfile> RefineFromLogs(const std::string& repository,
                                      const std::vector<std::string>& logs,
                                      const std::vector<std::string>& only,
                                      const ProfileStore& store, MachineProfile machine) {
  Result<RecordedTimes> seen = ReadLogs(logs);
  if (!seen.ok()) return seen.status();
  RefinedProfile refined;
  refined.seen = *std::move(seen);
  refined.kept = refined.profile = std::move(machine);
  if (const Result<MachineProfile> before = ReadProfileFile(store.StateFile()); before.ok()) {
    refined.kept.costs = before->costs;
  }
  refined.profile.slots = refined.kept.slots = refined.seen.slots;
  refined.profile.costs = Refined(refined.seen, refined.kept.costs);
  DirectorySource source({repository});
  const Result<std::vector<std::string>> names = source.List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!only.empty() && std::ranges::find(only, name) == only.end()) continue;
    if (!refined.seen.models.contains(name)) continue;
    const Status status = RefineModel(source, store, name, refined);
    if (!status.ok()) refined.failures.emplace_back(name, status.message());
  }
  return refined;
}

std::string RefinedTables(const RefinedProfile& refined) {
  std::vector<std::vector<std::string>> rows = {
      {"model", "rows", "runs in the log", "alone kept", "now", "", "beside kept", "now", ""}};
  for (std::size_t i = 0; i < refined.profile.models.size(); ++i) {
    const ModelProfile& now = refined.profile.models[i].profile;
    const RecordedTimes::Model& recorded = refined.seen.models.at(now.model);
    for (const RunTimes& run : now.runs) {
      const auto samples = recorded.runs.find(run.rows);
      const bool is_seen = samples != recorded.runs.end();
      const std::uint64_t count =
          is_seen ? samples->second.alone.count() + samples->second.beside.count() : 0;
      std::vector<std::string> row = {&run == &now.runs.front() ? now.model : "",
                                      std::to_string(run.rows), std::to_string(count)};
      const RunTimes* before = RunsOf(refined.kept.models[i].profile, run.rows);
      const RunTimes none;
      AddTimes(row, (before == nullptr ? none : *before).alone, run.alone);
      AddTimes(row, (before == nullptr ? none : *before).beside, run.beside);
      rows.push_back(std::move(row));
    }
  }
  std::string text = "mean times in ms, before and with what was recorded\n\n" + AlignedTable(rows);
  std::vector<std::vector<std::string>> node = {
      {"the node", "requests in the log", "kept", "now", ""}};
  const auto add = [&](const char* name, const TimeSamples& seen, const TimeDistribution& kept,
                       const TimeDistribution& now) {
    std::vector<std::string> row = {name, std::to_string(seen.count())};
    AddTimes(row, kept, now);
    node.push_back(std::move(row));
  };
  const NodeCosts& kept = refined.kept.costs;
  const NodeCosts& now = refined.profile.costs;
  add("read", refined.seen.read, kept.read, now.read);
  add("hand-over", refined.seen.hand_over, kept.hand_over, now.hand_over);
  add("reply", refined.seen.reply, kept.reply, now.reply);
  text += "\n" + AlignedTable(node) + "\n";
  for (const auto& [model, why] : refined.failures) {
    text += "not refined: " + model + ": " + why + "\n";
  }
  return text;
}

std::string RefinedJson(const RefinedProfile& refined, const std::vector<std::string>& logs) {
  Json json = {{"command", "profile"},           {"from_logs", logs},
               {"slots", refined.profile.slots}, {"models", Json::array()},
               {"node_costs", Json::object()},   {"not_refined", Json::array()}};
  for (std::size_t i = 0; i < refined.profile.models.size(); ++i) {
    json["models"].push_back(
        ModelJson(refined.kept.models[i].profile, refined.profile.models[i].profile, refined.seen));
  }
  const auto add = [&](const char* name, const TimeSamples& seen, const TimeDistribution& kept,
                       const TimeDistribution& now) {
    json["node_costs"][name] = {
        {"recorded", seen.count()}, {"kept", TimesJson(kept)}, {"now", TimesJson(now)}};
  };
  const NodeCosts& kept = refined.kept.costs;
  const NodeCosts& now = refined.profile.costs;
  add("read", refined.seen.read, kept.read, now.read);
  add("hand_over", refined.seen.hand_over, kept.hand_over, now.hand_over);
  add("reply", refined.seen.reply, kept.reply, now.reply);
  for (const auto& [model, why] : refined.failures) {
    json["not_refined"].push_back({{"model", model}, {"reason", why}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cotenant
