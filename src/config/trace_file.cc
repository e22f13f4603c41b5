#include "config/trace_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <optional>

#include "config/nearest.h"

namespace cotenant {
namespace {

constexpr std::string_view kColumns[] = {"time_s", "tenant", "model", "rows", "latency_bound_ms"};
enum Column : std::size_t { kTime, kTenant, kModel, kRows, kBound };
constexpr std::size_t kNeeded = 3;
constexpr std::size_t kErrorsMax = 50;
constexpr std::int64_t kSecondsMax = 366 * 86'400;
constexpr std::int64_t kBoundMillisecondsMax = 3'600'000;

struct Field {
  std::string_view text;
  std::size_t column = 1;
};

/// Digits with at most one dot, in units of 10^-`decimals`; further digits are cut off.
std::optional<std::int64_t> Decimal(std::string_view text, int decimals, std::int64_t whole_max) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  std::int64_t value = 0;
  const char* end = text.data() + dot;
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 0 || value > whole_max ||
      text.front() == '-') {
    return std::nullopt;
  }
  std::string_view after = text.substr(std::min(dot + 1, text.size()));
  for (int i = 0; i < decimals; ++i) {
    int digit = 0;
    if (!after.empty()) {
      if (after.front() < '0' || after.front() > '9') return std::nullopt;
      digit = after.front() - '0';
      after.remove_prefix(1);
    }
    value = value * 10 + digit;
  }
  const bool digits = std::ranges::all_of(after, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional(value) : std::nullopt;
}

class TraceReader {
 public:
  TraceReader(const std::string& file, std::span<const std::string> tenants,
              std::span<const ScenarioModel> models)
      : file_(file), models_(models) {
    for (const std::string& tenant : tenants) tenants_.push_back(tenant);
    for (const ScenarioModel& model : models) model_names_.push_back(model.name);
  }

  Result<TraceArrivals> Read(std::string_view text) {
    while (!text.empty() && errors_ < kErrorsMax) {
      ++line_;
      const std::size_t end = std::min(text.find('\n'), text.size());
      ReadLine(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!has_header_) {
      line_ = std::max<std::size_t>(line_, 1);
      Error(1, "expected the header time_s,tenant,model");
    }
    if (errors_ > 0) return InvalidArgument(messages_);
    return std::move(trace_);
  }

 private:
  void Error(std::size_t column, const std::string& message) {
    ++errors_;
    messages_ += (messages_.empty() ? "" : "\n") + file_ + ":" + std::to_string(line_) + ":" +
                 std::to_string(column) + ": " + message;
  }

  void ReadLine(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos || line.starts_with('#')) return;
    Split(line);
    if (has_header_) {
      ReadRow();
    } else {
      ReadHeader();
    }
  }

  void Split(std::string_view line) {
    fields_.clear();
    std::size_t from = 0;
    for (;;) {
      const std::size_t end = std::min(line.find(',', from), line.size());
      std::size_t first = from;
      std::size_t last = end;
      while (first < last && (line[first] == ' ' || line[first] == '\t')) ++first;
      while (last > first && (line[last - 1] == ' ' || line[last - 1] == '\t')) --last;
      fields_.push_back({line.substr(first, last - first), first + 1});
      if (end == line.size()) return;
      from = end + 1;
    }
  }

  void ReadHeader() {
    has_header_ = true;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const auto found = std::ranges::find(kColumns, fields_[i].text);
      const auto which = static_cast<std::size_t>(found - std::begin(kColumns));
      if (found == std::end(kColumns)) {
        Error(fields_[i].column, "unknown column '" + std::string(fields_[i].text) +
                                     "', expected " + OneOf(kColumns) +
                                     DidYouMean(fields_[i].text, kColumns));
      } else if (place_[which]) {
        Error(fields_[i].column, "column '" + std::string(fields_[i].text) + "' comes twice");
      } else {
        place_[which] = i;
      }
    }
    columns_ = fields_.size();
    for (std::size_t which = 0; which < kNeeded; ++which) {
      if (!place_[which]) Error(1, "there is no column '" + std::string(kColumns[which]) + "'");
    }
    // Without knowing the columns every row would be one more mistake.
    if (errors_ > 0) errors_ = kErrorsMax;
  }

  std::size_t Named(Column which, const std::vector<std::string_view>& names) {
    const Field& field = fields_[*place_[which]];
    // Rows come in runs of the same names, and there are few of them.
    const auto found = std::ranges::find(names, field.text);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    Error(field.column, "there is no " + std::string(kColumns[which]) + " '" +
                            std::string(field.text) + "' in the scenario" +
                            DidYouMean(field.text, names));
    return 0;
  }

  void ReadRow() {
    if (fields_.size() != columns_) {
      Error(1, "expected " + std::to_string(columns_) + " fields as in the header, got " +
                   std::to_string(fields_.size()));
      return;
    }
    if (trace_.rows.size() == kTraceRowsMax) {
      Error(1, "a trace has at most " + std::to_string(kTraceRowsMax) + " rows");
      errors_ = kErrorsMax;
      return;
    }
    TraceArrivals::Row row;
    const Field& time = fields_[*place_[kTime]];
    const auto at = Decimal(time.text, 9, kSecondsMax);
    if (!at) {
      Error(time.column, "'time_s': expected seconds from 0 to " + std::to_string(kSecondsMax) +
                             ", such as 12.25, got '" + std::string(time.text) + "'");
    } else {
      row.at = Duration::Nanoseconds(*at);
      if (!trace_.rows.empty() && row.at < trace_.rows.back().at) {
        Error(time.column, "'time_s': earlier than the row before");
      }
    }
    row.tenant = Named(kTenant, tenants_);
    row.model = Named(kModel, model_names_);
    ReadOptional(row);
    trace_.rows.push_back(row);
  }

  void ReadOptional(TraceArrivals::Row& row) {
    if (place_[kRows]) {
      const Field& field = fields_[*place_[kRows]];
      const std::int64_t most = row.model < models_.size() ? models_[row.model].rows_max : 1;
      const auto rows = Decimal(field.text, 0, most);
      if (field.text.empty() || !rows || *rows < 1 || field.text.find('.') != field.text.npos) {
        Error(field.column, "'rows': expected a whole number from 1 to the model's " +
                                std::to_string(most) + ", got '" + std::string(field.text) + "'");
      } else {
        row.rows = static_cast<std::int32_t>(*rows);
      }
    }
    if (place_[kBound]) {
      const Field& field = fields_[*place_[kBound]];
      if (field.text.empty()) return;  // The tenant's.
      const auto bound = Decimal(field.text, 6, kBoundMillisecondsMax);
      if (!bound) {
        Error(field.column, "'latency_bound_ms': expected a number from 0 to " +
                                std::to_string(kBoundMillisecondsMax) + ", got '" +
                                std::string(field.text) + "'");
      } else {
        row.latency_bound = Duration::Nanoseconds(*bound);
      }
    }
  }

  const std::string& file_;
  std::span<const ScenarioModel> models_;
  std::vector<std::string_view> tenants_;
  std::vector<std::string_view> model_names_;
  std::vector<Field> fields_;
  std::optional<std::size_t> place_[std::size(kColumns)];
  std::size_t columns_ = 0;
  bool has_header_ = false;
  std::size_t line_ = 0;
  std::size_t errors_ = 0;
  std::string messages_;
  TraceArrivals trace_;
};

}  // namespace

Result<TraceArrivals> ParseTrace(std::string_view text, const std::string& file,
                                 std::span<const std::string> tenants,
                                 std::span<const ScenarioModel> models) {
  return TraceReader(file, tenants, models).Read(text);
}

std::string TraceText(const TraceArrivals& trace, std::span<const std::string> tenants,
                      std::span<const ScenarioModel> models) {
  constexpr Duration kBoundMax = Duration::Milliseconds(kBoundMillisecondsMax);
  std::string text = "time_s,tenant,model,rows,latency_bound_ms\n";
  std::array<char, 64> number;
  const auto append = [&](const char* format, std::int64_t value, std::int64_t unit) {
    std::snprintf(number.data(), number.size(), format, value / unit, value % unit);
    text += number.data();
  };
  for (const TraceArrivals::Row& row : trace.rows) {
    append("%" PRId64 ".%09" PRId64 ",", row.at.nanoseconds(), 1'000'000'000);
    text += tenants[row.tenant] + "," + models[row.model].name + "," + std::to_string(row.rows);
    text += ",";
    if (row.latency_bound > Duration()) {
      // Beyond the greatest bound a request is as good as without one, but it has one.
      append("%" PRId64 ".%06" PRId64, std::min(row.latency_bound, kBoundMax).nanoseconds(),
             1'000'000);
    }
    text += "\n";
  }
  return text;
}

}  // namespace cotenant
