#include "apps/cotenant/profile_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>

#include "apps/cotenant/run_report.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

/// CPU time taken by others above which a profile says so.
constexpr double kDisturbedPercent = 3;

std::string Ms(Duration span) { return MillisecondsText(span.seconds() * 1e3); }

std::string Mib(Bytes bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes.count()) / (1 << 20));
  return text;
}

std::string SizeText(Bytes bytes) {
  if (bytes.count() < 1 << 10) return std::to_string(bytes.count()) + " B";
  if (bytes.count() < 1 << 20) return std::to_string(bytes.count() >> 10) + " KiB";
  return Mib(bytes) + " MiB";
}

void AddTimes(std::vector<std::string>& row, const TimeSamples& times) {
  if (times.empty()) {
    row.insert(row.end(), {"-", "-", "-"});
    return;
  }
  row.insert(row.end(), {Ms(times.PerMille(500)), Ms(times.PerMille(990)), Ms(times.Greatest())});
}

std::string ModelTable(const ProfileReport& report) {
  std::vector<std::vector<std::string>> rows = {{"model", "rows", "alone p50", "p99", "max",
                                                 "beside p50", "p99", "max", "ms/row", "peak MiB",
                                                 "runs"}};
  for (const MeasuredModel& model : report.models) {
    for (const MeasuredShapes& choice : model.choices) {
      const bool kept = &choice == &model.choices.front();
      for (const MeasuredRuns& runs : choice.runs) {
        const bool first = &runs == &choice.runs.front();
        const std::string name = kept ? model.name : "  " + choice.shapes;
        std::vector<std::string> row = {first ? name : "", std::to_string(runs.rows)};
        AddTimes(row, runs.alone);
        AddTimes(row, runs.beside);
        row.push_back(Ms(runs.alone.PerMille(500) / runs.rows));
        row.push_back(Mib(runs.peak));
        row.push_back(std::to_string(runs.alone.count() + runs.beside.count()));
        rows.push_back(std::move(row));
      }
    }
  }
  return AlignedTable(rows);
}

std::string MemoryTable(const ProfileReport& report) {
  std::vector<std::vector<std::string>> rows = {{"model", "version", "load ms p50", "max",
                                                 "mapped MiB", "anonymous MiB", "load peak MiB",
                                                 "inputs"}};
  for (const MeasuredModel& model : report.models) {
    rows.push_back({model.name, std::to_string(model.version), Ms(model.load.PerMille(500)),
                    Ms(model.load.Greatest()), Mib(model.facts.mapped), Mib(model.facts.anonymous),
                    model.load_peak > Bytes() ? Mib(model.load_peak) : "-",
                    model.choices.front().shapes});
  }
  return AlignedTable(rows);
}

std::string NodeTable(const ProfileReport& report) {
  std::vector<std::vector<std::string>> rows = {{"node, request of", "read us p50", "p99",
                                                 "hand-over us p50", "p99", "reply us p50", "p99",
                                                 "requests"}};
  const auto us = [](Duration span) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", span.seconds() * 1e6);
    return std::string(text);
  };
  for (std::size_t i = 0; i < report.nodes.size(); ++i) {
    const MeasuredNode& node = report.nodes[i];
    std::vector<std::string> row = {SizeText(node.request) +
                                    (i == report.chosen_node ? " (kept)" : "")};
    for (const TimeSamples* times : {&node.read, &node.hand_over, &node.reply}) {
      row.push_back(times->empty() ? "-" : us(times->PerMille(500)));
      row.push_back(times->empty() ? "-" : us(times->PerMille(990)));
    }
    row.push_back(std::to_string(node.reply.count()));
    rows.push_back(std::move(row));
  }
  return AlignedTable(rows);
}

/// What was measured, and what drawing from the kept quantiles gives on average.
Json TimesJson(const TimeSamples& times) {
  if (times.empty()) return nullptr;
  return {{"count", times.count()},
          {"mean_ns", times.Mean().nanoseconds()},
          {"drawn_mean_ns", times.Distribution().Mean().nanoseconds()},
          {"min_ns", times.Least().nanoseconds()},
          {"p50_ns", times.PerMille(500).nanoseconds()},
          {"p90_ns", times.PerMille(900).nanoseconds()},
          {"p99_ns", times.PerMille(990).nanoseconds()},
          {"max_ns", times.Greatest().nanoseconds()}};
}

Json RunsJson(const std::vector<MeasuredRuns>& measured) {
  Json json = Json::array();
  for (const MeasuredRuns& runs : measured) {
    json.push_back({{"rows", runs.rows},
                    {"alone", TimesJson(runs.alone)},
                    {"beside", TimesJson(runs.beside)},
                    {"peak_bytes", runs.peak.count()}});
  }
  return json;
}

Json ModelJson(const MeasuredModel& model) {
  const MeasuredShapes& kept = model.choices.front();
  Json json = {{"name", model.name},
               {"version", model.version},
               {"hash", model.hash},
               {"inputs", kept.shapes},
               {"batches_joined", model.joined},
               {"request_bytes", kept.request.count()},
               {"load", TimesJson(model.load)},
               {"mapped_bytes", model.facts.mapped.count()},
               {"anonymous_bytes", model.facts.anonymous.count()},
               {"load_peak_bytes", model.load_peak.count()},
               {"runs", RunsJson(kept.runs)},
               {"other_shapes", Json::array()}};
  for (const MeasuredShapes& choice : std::span(model.choices).subspan(1)) {
    json["other_shapes"].push_back({{"inputs", choice.shapes},
                                    {"request_bytes", choice.request.count()},
                                    {"runs", RunsJson(choice.runs)}});
  }
  return json;
}

}  // namespace

MachineProfile ProfileReport::Profile() const {
  MachineProfile profile;
  profile.cpu = cpu;
  profile.onnxruntime_version = onnxruntime_version;
  profile.cotenant_version = cotenant_version;
  profile.slots = slots;
  if (!nodes.empty()) profile.costs = nodes[chosen_node].Costs();
  for (const MeasuredModel& model : models) {
    profile.models.push_back({model.hash, model.Profile()});
  }
  return profile;
}

std::string ProfileTables(const ProfileReport& report) {
  std::string text = report.cpu + ", " + std::to_string(report.slots) + " slots, ONNX Runtime " +
                     report.onnxruntime_version + "; times in ms\n\n";
  if (!report.models.empty()) {
    text += ModelTable(report) + "\n" + MemoryTable(report) + "\n";
  }
  if (!report.nodes.empty()) text += NodeTable(report) + "\n";
  for (const auto& [model, why] : report.failures) {
    text += "not measured: " + model + ": " + why + "\n";
  }
  if (report.host_steal_percent >= 0) {
    char host[128];
    std::snprintf(host, sizeof host,
                  "meanwhile the host took %.2f %% of the CPUs, other processes %.1f %%\n",
                  report.host_steal_percent, report.others_percent);
    text += host;
  }
  if (std::max(report.host_steal_percent, report.others_percent) > kDisturbedPercent) {
    text +=
        "The machine was not quiet: times are longer than the networks', tails above all. "
        "Measure again.\n";
  }
  return text;
}

std::string ProfileJson(const ProfileReport& report) {
  Json json = {{"command", "profile"},
               {"cpu", report.cpu},
               {"onnxruntime_version", report.onnxruntime_version},
               {"cotenant_version", report.cotenant_version},
               {"slots", report.slots},
               {"models", Json::array()},
               {"node_costs", Json::array()},
               {"not_measured", Json::array()}};
  for (const MeasuredModel& model : report.models) json["models"].push_back(ModelJson(model));
  for (std::size_t i = 0; i < report.nodes.size(); ++i) {
    const MeasuredNode& node = report.nodes[i];
    json["node_costs"].push_back({{"request_bytes", node.request.count()},
                                  {"kept", i == report.chosen_node},
                                  {"read", TimesJson(node.read)},
                                  {"hand_over", TimesJson(node.hand_over)},
                                  {"reply", TimesJson(node.reply)},
                                  {"node_p50_ns", node.node_p50.nanoseconds()},
                                  {"client_p50_ns", node.client_p50.nanoseconds()}});
  }
  for (const auto& [model, why] : report.failures) {
    json["not_measured"].push_back({{"model", model}, {"reason", why}});
  }
  json["wall"] = {{"started", report.started},
                  {"took_s", report.took.seconds()},
                  {"host_steal_percent", report.host_steal_percent},
                  {"others_percent", report.others_percent}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cotenant
