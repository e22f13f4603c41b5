#include "apps/cotenant/run_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace cotenant {
namespace {

using Row = std::vector<std::string>;

std::string Formatted(const char* format, double value) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string CountText(std::uint64_t count) { return count == 0 ? "-" : std::to_string(count); }

/// Columns that are empty for all groups are left out.
struct Column {
  const char* name;
  std::string (*text)(const RunResult&, const GroupResult&);
  bool always;
};

template <RunEnd end>
std::string EndText(const RunResult&, const GroupResult& group) {
  return CountText(group.Ended(end));
}

template <Duration LatencyFigures::*field>
std::string LatencyText(const RunResult&, const GroupResult& group) {
  if (group.Ended(RunEnd::kReplied) == 0) return "-";
  return MillisecondsText((group.latency.*field).seconds() * 1e3);
}

constexpr Column kColumns[] = {
    {"requests",
     [](const RunResult&, const GroupResult& group) { return std::to_string(group.requests); },
     true},
    {"replied", EndText<RunEnd::kReplied>, true},
    {"rejected", EndText<RunEnd::kRejected>, true},
    {"expired", EndText<RunEnd::kExpired>, true},
    {"failed", EndText<RunEnd::kFailed>, false},
    {"gone", EndText<RunEnd::kGone>, false},
    {"unanswered", EndText<RunEnd::kUnanswered>, false},
    {"broken", EndText<RunEnd::kBroken>, false},
    {"per s",
     [](const RunResult& result, const GroupResult& group) {
       return Formatted("%.1f", result.ThroughputPerSecond(group));
     },
     true},
    {"p50 ms", LatencyText<&LatencyFigures::p50>, true},
    {"p90", LatencyText<&LatencyFigures::p90>, true},
    {"p95", LatencyText<&LatencyFigures::p95>, true},
    {"p99", LatencyText<&LatencyFigures::p99>, true},
    {"p99.9", LatencyText<&LatencyFigures::p999>, true},
    {"max", LatencyText<&LatencyFigures::greatest>, true},
    {"bounds met %",
     [](const RunResult&, const GroupResult& group) {
       return PercentText(group.BoundsMetMilliPercent());
     },
     true},
    {"points lost",
     [](const RunResult&, const GroupResult& group) {
       if (group.answered_by.empty()) return std::string("-");
       return Formatted("%.2f", static_cast<double>(group.MeanPointsLost()) / 1000);
     },
     false},
};

std::string GroupTable(const RunResult& result) {
  std::vector<Row> rows;
  std::vector<const Column*> columns;
  Row& header = rows.emplace_back();
  header.emplace_back("tenant");
  for (const Column& column : kColumns) {
    if (!column.always && column.text(result, result.all) == "-") continue;
    columns.push_back(&column);
    header.emplace_back(column.name);
  }
  const auto add = [&](const GroupResult& group) {
    Row& row = rows.emplace_back();
    row.push_back(group.name);
    for (const Column* column : columns) row.push_back(column->text(result, group));
  };
  const auto add_used = [&](const std::vector<GroupResult>& groups) {
    for (const GroupResult& group : groups) {
      if (group.requests > 0) add(group);
    }
  };
  add_used(result.tenants);
  add(result.all);
  rows.push_back({"model"});
  add_used(result.models);
  return AlignedTable(rows);
}

std::string Reasons(const GroupResult& all) {
  std::string text;
  for (std::size_t reason = 0; reason < kRunReasons; ++reason) {
    if (all.rejected[reason] == 0) continue;
    text += (text.empty() ? "rejected: " : ", ") + std::to_string(all.rejected[reason]) + " " +
            std::string(RunReasonName(reason));
  }
  return text.empty() ? text : text + "\n";
}

std::string Variants(const GroupResult& all) {
  std::string text;
  for (const auto& [variant, count] : all.answered_by) {
    text += (text.empty() ? "answered by: " : ", ") + variant + " " + std::to_string(count);
  }
  return text.empty() ? text : text + "\n";
}

std::string Memory(const RunResult& result) {
  if (!result.memory) return "";
  const MemoryResult& memory = *result.memory;
  return "memory " + std::to_string(memory.limit.count() >> 20) +
         " MiB: " + std::to_string(result.all.cold_starts) + " cold starts, " +
         std::to_string(memory.loads) + " loads (" + std::to_string(memory.loads_failed) +
         " failed) in " + Formatted("%.2f", memory.load_time.seconds()) + " s, " +
         std::to_string(memory.evictions) + " evictions\n";
}

}  // namespace

std::string AlignedTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      if (i > 0) text += "  " + space;
      text += row[i];
      if (i == 0 && row.size() > 1) text += space;
    }
    text += '\n';
  }
  return text;
}

std::string MillisecondsText(double milliseconds) {
  if (milliseconds == 0) return "0";
  const int before = static_cast<int>(std::floor(std::log10(std::fabs(milliseconds)))) + 1;
  const std::array<char, 8> format = {
      '%', '.', static_cast<char>('0' + std::clamp(3 - before, 0, 6)), 'f', '\0'};
  return Formatted(format.data(), milliseconds);
}

std::string PercentText(const std::optional<std::int64_t>& thousandths) {
  if (!thousandths) return "-";
  return Formatted("%.2f", static_cast<double>(*thousandths) / 1000);
}

std::string RunTables(const RunResult& result) {
  std::string text =
      GroupTable(result) + Reasons(result.all) + Memory(result) + Variants(result.all);
  for (const auto& [error, count] : result.errors) {
    text += std::to_string(count) + " x " + error + "\n";
  }
  for (const ExpectationResult& expectation : result.expectations) {
    text += std::string(expectation.held ? "held:     " : "NOT held: ") + expectation.text + " (" +
            expectation.value + ")\n";
  }
  return text;
}

}  // namespace cotenant
