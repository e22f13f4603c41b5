#include "apps/cotenant/compare.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "apps/cotenant/result_json.h"
#include "apps/cotenant/run_report.h"
#include "config/command_flags.h"
#include "config/run_result_file.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;
using Value = std::optional<double>;

/// A figure of a group, in the unit that its name says.
struct Figure {
  const char* name;
  Value (*of)(const RunResult&, const GroupResult&);
  bool milliseconds = false;
};

Value PercentOf(const std::optional<std::int64_t>& thousandths) {
  if (!thousandths) return std::nullopt;
  return static_cast<double>(*thousandths) / 1000;
}

template <Duration LatencyFigures::*field>
Value LatencyOf(const RunResult&, const GroupResult& group) {
  if (group.Ended(RunEnd::kReplied) == 0) return std::nullopt;
  return (group.latency.*field).seconds() * 1e3;
}

template <RunEnd end>
Value CountOf(const RunResult&, const GroupResult& group) {
  return static_cast<double>(group.Ended(end));
}

constexpr Figure kFigures[] = {
    {"requests",
     [](const RunResult&, const GroupResult& group) -> Value {
       return static_cast<double>(group.requests);
     }},
    {"replied", CountOf<RunEnd::kReplied>},
    {"rejected", CountOf<RunEnd::kRejected>},
    {"expired", CountOf<RunEnd::kExpired>},
    {"failed", CountOf<RunEnd::kFailed>},
    {"unanswered", CountOf<RunEnd::kUnanswered>},
    {"broken", CountOf<RunEnd::kBroken>},
    {"throughput_per_second",
     [](const RunResult& result, const GroupResult& group) -> Value {
       return result.ThroughputPerSecond(group);
     }},
    {"p50_ms", LatencyOf<&LatencyFigures::p50>, true},
    {"p90_ms", LatencyOf<&LatencyFigures::p90>, true},
    {"p95_ms", LatencyOf<&LatencyFigures::p95>, true},
    {"p99_ms", LatencyOf<&LatencyFigures::p99>, true},
    {"p999_ms", LatencyOf<&LatencyFigures::p999>, true},
    {"max_ms", LatencyOf<&LatencyFigures::greatest>, true},
    {"refused_percent",
     [](const RunResult&, const GroupResult& group) {
       return PercentOf(group.RefusedMilliPercent());
     }},
    {"bounds_met_percent",
     [](const RunResult&, const GroupResult& group) {
       return PercentOf(group.BoundsMetMilliPercent());
     }},
};

struct Compared {
  const Figure* figure;
  Value a;
  Value b;

  Value Difference() const { return a && b ? Value(*b - *a) : std::nullopt; }
  Value Ratio() const { return a && b && *a != 0 ? Value(*b / *a) : std::nullopt; }
  bool Empty() const { return a.value_or(0) == 0 && b.value_or(0) == 0; }
};

/// A group that is in one of the results, or both.
struct Pair {
  std::string name;
  std::vector<Compared> figures;
};

const GroupResult* Find(const std::vector<GroupResult>& groups, const std::string& name) {
  const auto found = std::ranges::find(groups, name, &GroupResult::name);
  return found == groups.end() ? nullptr : &*found;
}

class Comparison {
 public:
  Comparison(const RunResult& a, const RunResult& b) : a_(a), b_(b) {
    all_.push_back(PairOf("all", &a.all, &b.all));
    tenants_ = Pairs(a.tenants, b.tenants);
    models_ = Pairs(a.models, b.models);
  }

  std::string Text() const {
    std::string text = Heading("A", a_) + Heading("B", b_);
    if (a_.scenario != b_.scenario) text += "These are results of two different scenarios.\n";
    text += Section("tenant ", tenants_) + Section("", all_);
    // With one model its figures are those of all.
    if (models_.size() > 1) text += Section("model ", models_);
    return text;
  }

  std::string JsonText() const {
    Json json;
    json["format"] = "cotenant comparison";
    for (const auto& [key, result] : {std::pair("a", &a_), std::pair("b", &b_)}) {
      json[key] = {{"command", result->command},
                   {"scenario", result->scenario},
                   {"seed", result->seed},
                   {"lasts_ns", result->lasts.nanoseconds()}};
    }
    json["all"] = PairJson(all_[0]);
    json["tenants"] = Json::array();
    for (const Pair& pair : tenants_) json["tenants"].push_back(PairJson(pair));
    json["models"] = Json::array();
    for (const Pair& pair : models_) json["models"].push_back(PairJson(pair));
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  Pair PairOf(const std::string& name, const GroupResult* a, const GroupResult* b) const {
    Pair pair{name, {}};
    for (const Figure& figure : kFigures) {
      pair.figures.push_back({&figure, a != nullptr ? figure.of(a_, *a) : std::nullopt,
                              b != nullptr ? figure.of(b_, *b) : std::nullopt});
    }
    return pair;
  }

  std::vector<Pair> Pairs(const std::vector<GroupResult>& as,
                          const std::vector<GroupResult>& bs) const {
    std::vector<Pair> pairs;
    for (const GroupResult& a : as) {
      const GroupResult* b = Find(bs, a.name);
      if (a.requests > 0 || (b != nullptr && b->requests > 0)) {
        pairs.push_back(PairOf(a.name, &a, b));
      }
    }
    for (const GroupResult& b : bs) {
      if (Find(as, b.name) == nullptr) pairs.push_back(PairOf(b.name, nullptr, &b));
    }
    return pairs;
  }

  static std::string Heading(const char* letter, const RunResult& result) {
    std::array<char, 128> text;
    std::snprintf(text.data(), text.size(), ", seed %llu, %.1f s",
                  static_cast<unsigned long long>(result.seed), result.lasts.seconds());
    std::string line =
        std::string(letter) + ": " + result.command + " " + result.scenario + text.data();
    if (result.wall) {
      std::snprintf(text.data(), text.size(), ", %s, host steal %.2f %%",
                    result.wall->started.c_str(), result.wall->host_steal_percent);
      line += text.data();
    }
    return line + "\n";
  }

  static std::string Cell(const Compared& compared, const Value& value, bool sign) {
    if (!value) return "-";
    const std::string plus = sign && *value > 0 ? "+" : "";
    if (compared.figure->milliseconds) return plus + MillisecondsText(*value);
    const bool whole = *value == static_cast<double>(static_cast<std::int64_t>(*value));
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), whole ? "%.0f" : "%.2f", *value);
    return plus + text.data();
  }

  static std::string Section(const std::string& kind, const std::vector<Pair>& pairs) {
    std::string text;
    for (const Pair& pair : pairs) {
      std::vector<std::vector<std::string>> rows = {{kind + pair.name, "A", "B", "B - A", "B / A"}};
      for (const Compared& compared : pair.figures) {
        if (compared.Empty()) continue;
        std::string ratio = "-";
        if (const Value value = compared.Ratio()) {
          std::array<char, 32> digits;
          std::snprintf(digits.data(), digits.size(), "%.3f", *value);
          ratio = digits.data();
        }
        rows.push_back({std::string("  ") + compared.figure->name,
                        Cell(compared, compared.a, false), Cell(compared, compared.b, false),
                        Cell(compared, compared.Difference(), true), ratio});
      }
      text += "\n" + AlignedTable(rows);
    }
    return text;
  }

  static Json PairJson(const Pair& pair) {
    const auto json = [](const Value& value) { return value ? Json(*value) : Json(); };
    Json figures;
    for (const Compared& compared : pair.figures) {
      figures[compared.figure->name] = {{"a", json(compared.a)},
                                        {"b", json(compared.b)},
                                        {"difference", json(compared.Difference())},
                                        {"ratio", json(compared.Ratio())}};
    }
    return {{"name", pair.name}, {"figures", figures}};
  }

  const RunResult& a_;
  const RunResult& b_;
  std::vector<Pair> all_;
  std::vector<Pair> tenants_;
  std::vector<Pair> models_;
};

constexpr CommandUsage kUsage = {"compare",   "RUN_A RUN_B",
                                 "two files", 2,
                                 2,           "Two result files of load or simulate side by side."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

}  // namespace

int Compare(std::span<const std::string> arguments) {
  std::string json;
  const std::vector<CommandFlag> flags = {
      {"json", FlagKind::kValue, "FILE", "write the comparison (docs/results.md)", SetsText(json)}};
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  const Result<RunResult> a = ReadRunResult(line.words[0]);
  if (!a.ok()) return Fail(2, a.status().message());
  const Result<RunResult> b = ReadRunResult(line.words[1]);
  if (!b.ok()) return Fail(2, b.status().message());
  const Comparison comparison(*a, *b);
  std::fputs(comparison.Text().c_str(), stdout);
  if (!json.empty()) {
    const Status status = WriteResultJson(json, comparison.JsonText());
    if (!status.ok()) return Fail(1, status.message());
  }
  return 0;
}

}  // namespace cotenant
