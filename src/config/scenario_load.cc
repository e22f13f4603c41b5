#include <algorithm>
#include <iterator>

#include "config/model_conversion.h"
#include "config/node_sections.h"
#include "config/scenario_file.h"
#include "config/scenario_sections.h"
#include "config/trace_file.h"

namespace cotenant {
namespace {

constexpr std::size_t kGroupsMax = 1000;
constexpr std::size_t kStepsMax = 100'000;
constexpr std::int64_t kSpikeMax = 1'000'000;
// Slower than one in eleven days is nothing, faster than this no box answers.
constexpr double kRateLeast = 1e-6;
constexpr double kRateMost = 1e6;
constexpr double kSecondsMax = kScenarioSecondsMax;
constexpr double kMillisecondsMax = 3'600'000;

constexpr Duration kSecond = Duration::Seconds(1);
constexpr Duration kMillisecond = Duration::Milliseconds(1);

constexpr std::string_view kConstantKeys[] = {"rate_per_s"};
constexpr std::string_view kBurstyKeys[] = {"quiet_rate_per_s", "burst_rate_per_s", "quiet_s",
                                            "burst_s"};
constexpr std::string_view kDiurnalKeys[] = {"low_rate_per_s", "high_rate_per_s", "period_s"};
constexpr std::string_view kPeriodicKeys[] = {"interval_ms", "jitter_ms", "phase_ms"};
constexpr std::string_view kSpikyKeys[] = {"every_s", "size", "rate_per_s"};
constexpr std::string_view kRegimeKeys[] = {"steps"};
constexpr std::string_view kCorrelatedKeys[] = {"group", "follow_percent", "delay_ms"};
constexpr std::string_view kTraceKeys[] = {"file"};
constexpr std::string_view kStepKeys[] = {"from_s", "rate_per_s"};

constexpr std::string_view kGroupCommonKeys[] = {"name", "pattern"};
constexpr std::string_view kTraceCommonKeys[] = {"name",   "pattern",      "start_s",
                                                 "stop_s", "gone_percent", "gone_after_ms"};
constexpr std::string_view kLoadCommonKeys[] = {
    "name",          "pattern", "start_s", "stop_s", "gone_percent",
    "gone_after_ms", "tenant",  "model",   "rows",   "latency_bound_ms"};

/// A key's rate as the mean interval; zero for a rate of zero, where that is allowed.
Duration ReadInterval(TomlReader& reader, const TomlNode& table, std::string_view key,
                      bool may_be_zero) {
  constexpr std::int64_t kMicro = 1'000'000;
  std::int64_t micro_rate = 0;
  const TomlNode* node = table.Find(key);
  const bool zero = may_be_zero && node != nullptr && node->is_number() && node->real == 0;
  if (!zero) reader.Scaled(table, key, kRateLeast, kRateMost, kMicro, micro_rate);
  if (micro_rate == 0) return {};
  return Duration::Nanoseconds(1'000'000'000 * kMicro / micro_rate);
}

Duration ReadSeconds(TomlReader& reader, const TomlNode& table, std::string_view key,
                     double least) {
  Duration value;
  ReadSpan(reader, table, key, least, kSecondsMax, kSecond, value);
  return value;
}

// Each reads one pattern's keys; needed ones were checked. Wrong ones leave a mistake and zero,
// which nobody plays.

ArrivalPattern ReadConstant(ScenarioReading& reading, const TomlNode& table) {
  return ConstantArrivals{ReadInterval(reading.reader, table, "rate_per_s", false)};
}

ArrivalPattern ReadPoisson(ScenarioReading& reading, const TomlNode& table) {
  return PoissonArrivals{ReadInterval(reading.reader, table, "rate_per_s", false)};
}

ArrivalPattern ReadBursty(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  return BurstyArrivals{ReadInterval(reader, table, "quiet_rate_per_s", true),
                        ReadInterval(reader, table, "burst_rate_per_s", false),
                        ReadSeconds(reader, table, "quiet_s", 0.001),
                        ReadSeconds(reader, table, "burst_s", 0.001)};
}

ArrivalPattern ReadDiurnal(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  const DiurnalArrivals pattern{ReadInterval(reader, table, "low_rate_per_s", true),
                                ReadInterval(reader, table, "high_rate_per_s", false),
                                ReadSeconds(reader, table, "period_s", 0.001)};
  if (pattern.low_interval != Duration() && pattern.low_interval < pattern.high_interval) {
    reader.Error(table.Find("low_rate_per_s")->place,
                 "'low_rate_per_s': expected at most 'high_rate_per_s'");
  }
  return pattern;
}

ArrivalPattern ReadPeriodic(ScenarioReading& reading, const TomlNode& table) {
  PeriodicArrivals pattern;
  ReadSpan(reading.reader, table, "interval_ms", 0.001, kMillisecondsMax, kMillisecond,
           pattern.interval);
  ReadSpan(reading.reader, table, "jitter_ms", 0, kMillisecondsMax, kMillisecond, pattern.jitter);
  ReadSpan(reading.reader, table, "phase_ms", 0, kMillisecondsMax, kMillisecond, pattern.phase);
  return pattern;
}

ArrivalPattern ReadSpiky(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  SpikyArrivals pattern;
  pattern.mean_interval = ReadInterval(reader, table, "rate_per_s", true);
  pattern.every = ReadSeconds(reader, table, "every_s", 0.001);
  std::int64_t size = 1;
  reader.Integer(table, "size", 1, kSpikeMax, size);
  pattern.size = static_cast<std::int32_t>(size);
  return pattern;
}

ArrivalPattern ReadRegime(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  RegimeArrivals pattern;
  for (const TomlNode* step : reader.Tables(table, "steps", kStepsMax, "steps")) {
    reader.CheckKeys(*step, kStepKeys, " of a step");
    const bool has_from = reader.Needs(*step, "from_s", "a step");
    const bool has_rate = reader.Needs(*step, "rate_per_s", "a step");
    if (!has_from || !has_rate) continue;
    const Duration from = ReadSeconds(reader, *step, "from_s", 0);
    const TomlPlace place = step->Find("from_s")->place;
    if (pattern.steps.empty() && from != Duration()) {
      reader.Error(place, "'from_s': the first step is from 0");
    } else if (!pattern.steps.empty() && from <= pattern.steps.back().from) {
      reader.Error(place, "'from_s': expected more than the step before");
    }
    pattern.steps.push_back({from, ReadInterval(reader, *step, "rate_per_s", true)});
  }
  const TomlNode* steps = table.Find("steps");
  if (steps->is_list() && steps->items.empty()) {
    reader.Error(steps->place, "'steps': expected at least one, {from_s = 0, rate_per_s = 10}");
  }
  return pattern;
}

ArrivalPattern ReadCorrelated(ScenarioReading& reading, const TomlNode& table) {
  CorrelatedArrivals pattern;
  pattern.group =
      FindNamed(reading.reader, table, "group", reading.scenario.group_names).value_or(0);
  ReadPerMille(reading.reader, table, "follow_percent", pattern.per_mille);
  ReadSpan(reading.reader, table, "delay_ms", 0, kMillisecondsMax, kMillisecond, pattern.delay_max);
  return pattern;
}

ArrivalPattern ReadTrace(ScenarioReading& reading, const TomlNode& table) {
  const TomlNode& node = *table.Find("file");
  const auto path = NamedFile(reading, "file", node);
  if (!path) return TraceArrivals{};
  const Result<std::string> text = ReadFile(*path, kTraceBytesMax);
  if (!text.ok()) {
    reading.reader.Error(node.place, "'file': " + text.status().message());
    return TraceArrivals{};
  }
  Result<TraceArrivals> trace =
      ParseTrace(*text, path->string(), TenantNames(reading.scenario), reading.scenario.models);
  if (trace.ok()) return std::move(*trace);
  reading.reader.ForeignErrors(node.place, trace.status().message());
  return TraceArrivals{};
}

struct PatternRow {
  std::string_view name;
  std::span<const std::string_view> keys;
  std::size_t needed;  ///< So many of the keys, the first ones, must be there.
  ArrivalPattern (*read)(ScenarioReading& reading, const TomlNode& table);
};
constexpr PatternRow kPatterns[] = {
    {"constant", kConstantKeys, 1, ReadConstant},
    {"poisson", kConstantKeys, 1, ReadPoisson},
    {"bursty", kBurstyKeys, 4, ReadBursty},
    {"diurnal", kDiurnalKeys, 3, ReadDiurnal},
    {"periodic", kPeriodicKeys, 1, ReadPeriodic},
    {"spiky", kSpikyKeys, 2, ReadSpiky},
    {"regime", kRegimeKeys, 1, ReadRegime},
    {"correlated", kCorrelatedKeys, 1, ReadCorrelated},
    {"trace", kTraceKeys, 1, ReadTrace},
};
// Groups have the patterns before "correlated".
constexpr std::size_t kOwnPatterns = std::size(kPatterns) - 2;

/// The pattern's row; a mistake and nullptr when there is none.
const PatternRow* FindPattern(TomlReader& reader, const TomlNode& table, std::string_view what,
                              std::size_t count) {
  if (!reader.Needs(table, "pattern", what)) return nullptr;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(kPatterns[i].name);
  std::string name;
  reader.Choice(table, "pattern", names, name);
  const auto found = std::ranges::find(kPatterns, name, &PatternRow::name);
  return found == std::end(kPatterns) ? nullptr : &*found;
}

std::optional<ArrivalPattern> ReadPattern(ScenarioReading& reading, const TomlNode& table,
                                          const PatternRow& row, std::string_view what,
                                          std::span<const std::string_view> common) {
  std::vector<std::string_view> known(row.keys.begin(), row.keys.end());
  known.insert(known.end(), common.begin(), common.end());
  const std::string described = std::string(what) + " of pattern '" + std::string(row.name) + "'";
  reading.reader.CheckKeys(table, known, " of " + described);
  bool whole = true;
  for (const std::string_view key : row.keys.first(row.needed)) {
    whole = reading.reader.Needs(table, key, described) && whole;
  }
  if (!whole) return std::nullopt;
  return row.read(reading, table);
}

void ReadRows(TomlReader& reader, const TomlNode& table, std::int32_t most, LoadSource& source) {
  const TomlNode* node = table.Find("rows");
  if (node == nullptr) return;
  const auto fits = [&](const TomlNode& item) {
    return item.kind == TomlNode::Kind::kInteger && item.integer >= 1 && item.integer <= most;
  };
  const TomlNode* low = node;
  const TomlNode* high = node;
  if (node->is_list() && node->items.size() == 2) {
    low = &node->items[0];
    high = &node->items[1];
  }
  if (fits(*low) && fits(*high) && low->integer <= high->integer) {
    source.rows_min = static_cast<std::int32_t>(low->integer);
    source.rows_max = static_cast<std::int32_t>(high->integer);
  } else {
    reader.Error(node->place, "'rows': expected a whole number from 1 to the model's " +
                                  std::to_string(most) + ", or two, [least, most]");
  }
}

/// Whose requests they are and what they carry; a trace's rows say that themselves.
void ReadRequest(ScenarioReading& reading, const TomlNode& table, LoadSource& source) {
  TomlReader& reader = reading.reader;
  source.tenant = FindNamed(reader, table, "tenant", TenantNames(reading.scenario)).value_or(0);
  reader.Needs(table, "model", "a load");
  const auto model = FindNamed(reader, table, "model", ModelNames(reading.scenario));
  if (model) {
    source.model = *model;
    ReadRows(reader, table, reading.scenario.models[*model].rows_max, source);
  }
  ReadSpan(reader, table, "latency_bound_ms", 0, kMillisecondsMax, kMillisecond,
           source.latency_bound);
  if (source.name.empty() && model) {
    source.name = reading.scenario.node.tenants[source.tenant].name + "/" +
                  reading.scenario.models[*model].name;
  }
}

void ReadSource(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  LoadSource source;
  reader.Text(table, "name", source.name);
  const PatternRow* row = FindPattern(reader, table, "a load", std::size(kPatterns));
  const bool is_trace = row != nullptr && row->name == "trace";
  if (row != nullptr) {
    const std::span<const std::string_view> common =
        is_trace ? std::span<const std::string_view>(kTraceCommonKeys) : kLoadCommonKeys;
    auto pattern = ReadPattern(reading, table, *row, "a load", common);
    if (pattern) source.arrivals = *std::move(pattern);
  }
  if (is_trace) {
    if (source.name.empty()) source.name = "trace";
  } else {
    ReadRequest(reading, table, source);
  }
  const double end = reading.scenario.lasts.seconds();
  ReadSpan(reader, table, "start_s", 0, end, kSecond, source.start);
  ReadSpan(reader, table, "stop_s", 0, end, kSecond, source.stop);
  if (table.Find("stop_s") != nullptr && source.stop <= source.start) {
    reader.Error(table.Find("stop_s")->place, "'stop_s': expected more than 'start_s'");
  }
  ReadPerMille(reader, table, "gone_percent", source.gone_per_mille);
  ReadSpan(reader, table, "gone_after_ms", 0, kMillisecondsMax, kMillisecond,
           source.gone_after_max);
  reading.scenario.sources.push_back(std::move(source));
}

void ReadGroup(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  const std::string name = ReadPlainName(reader, table, "a group");
  if (!name.empty() &&
      std::ranges::find(reading.scenario.group_names, name) != reading.scenario.group_names.end()) {
    reader.Error(table.Find("name")->place, "group '" + name + "' is declared twice");
  }
  std::optional<ArrivalPattern> pattern;
  if (const PatternRow* row = FindPattern(reader, table, "a group", kOwnPatterns)) {
    pattern = ReadPattern(reading, table, *row, "a group", kGroupCommonKeys);
  }
  reading.scenario.group_names.push_back(name);
  reading.scenario.groups.push_back(pattern.value_or(ConstantArrivals{}));
}

}  // namespace

void ReadLoad(ScenarioReading& reading, const TomlNode& root) {
  for (const TomlNode* table : reading.reader.Tables(root, "groups", kGroupsMax, "groups")) {
    ReadGroup(reading, *table);
  }
  if (!reading.reader.Needs(root, "load", "a scenario")) return;
  for (const TomlNode* table :
       reading.reader.Tables(root, "load", kLoadSourcesMax, "sources of load")) {
    ReadSource(reading, *table);
  }
}

}  // namespace cotenant
