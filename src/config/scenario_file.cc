#include "config/scenario_file.h"

#include <algorithm>

#include "config/model_conversion.h"
#include "config/node_sections.h"
#include "config/profile_file.h"
#include "config/scenario_sections.h"

namespace cotenant {
namespace {

constexpr std::string_view kTables[] = {"description", "lasts_s", "policies", "tenants", "device",
                                        "models",      "groups",  "load",     "faults",  "expect"};
constexpr std::string_view kDeviceKeys[] = {"slots",        "memory_mib", "read_us",
                                            "hand_over_us", "reply_us",   "profile"};
constexpr std::string_view kFaultKinds[] = {"slow-down", "stop", "reload", "memory"};
constexpr std::string_view kSlowDownKeys[] = {"kind", "at_s", "lasts_s", "percent"};
constexpr std::string_view kStopKeys[] = {"kind", "at_s", "lasts_s"};
constexpr std::string_view kMemoryKeys[] = {"kind", "at_s", "lasts_s", "left_mib"};
constexpr std::string_view kReloadKeys[] = {"kind", "at_s", "model", "fails"};
constexpr std::int64_t kSlotsMax = 4096;
constexpr double kMebibytesMax = 1 << 20;
constexpr double kMebibyte = 1 << 20;
constexpr std::int64_t kSlowPercentMax = 100'000;
constexpr double kRepliedMax = 1e15;
constexpr double kLatencyMillisecondsMax = 3'600'000;

/// What an expectation may be about; its keys are NAME_min and NAME_max.
constexpr struct {
  std::string_view name;
  Expectation::Quantity quantity;
  double most;
  double scale;
} kQuantities[] = {
    {"bounds_met_percent", Expectation::Quantity::kBoundsMetPercent, 100, 1000},
    {"refused_percent", Expectation::Quantity::kRefusedPercent, 100, 1000},
    {"latency_p50_ms", Expectation::Quantity::kLatencyP50, kLatencyMillisecondsMax, 1e6},
    {"latency_p99_ms", Expectation::Quantity::kLatencyP99, kLatencyMillisecondsMax, 1e6},
    {"replied", Expectation::Quantity::kReplied, kRepliedMax, 1},
};
constexpr std::string_view kExpectKeys[] = {
    "tenant",
    "bounds_met_percent_min",
    "bounds_met_percent_max",
    "refused_percent_min",
    "refused_percent_max",
    "latency_p50_ms_min",
    "latency_p50_ms_max",
    "latency_p99_ms_min",
    "latency_p99_ms_max",
    "replied_min",
    "replied_max",
};

void ReadFault(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  std::string kind;
  if (!reader.Needs(table, "kind", "a fault")) return;
  reader.Choice(table, "kind", kFaultKinds, kind);
  if (kind.empty()) return;
  Duration at;
  Duration lasts;
  const bool reload = kind == "reload";
  const double end = reading.scenario.lasts.seconds();
  reader.Needs(table, "at_s", "a fault");
  ReadSpan(reader, table, "at_s", 0, end, Duration::Seconds(1), at);
  if (!reload) {
    reader.Needs(table, "lasts_s", "a fault of kind '" + kind + "'");
    ReadSpan(reader, table, "lasts_s", 0, kScenarioSecondsMax, Duration::Seconds(1), lasts);
  }
  if (kind == "slow-down") {
    reader.CheckKeys(table, kSlowDownKeys, " of a fault of kind 'slow-down'");
    std::int64_t percent = 200;
    reader.Integer(table, "percent", 1, kSlowPercentMax, percent);
    reading.scenario.faults.push_back(SlowDown{at, lasts, static_cast<std::uint32_t>(percent)});
  } else if (kind == "stop") {
    reader.CheckKeys(table, kStopKeys, " of a fault of kind 'stop'");
    reading.scenario.faults.push_back(Stop{at, lasts});
  } else if (kind == "memory") {
    reader.CheckKeys(table, kMemoryKeys, " of a fault of kind 'memory'");
    reader.Needs(table, "left_mib", "a fault of kind 'memory'");
    std::int64_t left = 0;
    reader.Scaled(table, "left_mib", 0, kMebibytesMax, kMebibyte, left);
    reading.scenario.faults.push_back(LessMemory{at, lasts, Bytes(left)});
  } else {
    reader.CheckKeys(table, kReloadKeys, " of a fault of kind 'reload'");
    reader.Needs(table, "model", "a fault of kind 'reload'");
    const auto model = FindNamed(reader, table, "model", ModelNames(reading.scenario));
    bool fails = false;
    reader.Truth(table, "fails", fails);
    reading.scenario.faults.push_back(Reload{at, model.value_or(0), fails});
  }
}

void ReadExpectation(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  reader.CheckKeys(table, kExpectKeys, " of an expectation");
  const auto tenant = FindNamed(reader, table, "tenant", TenantNames(reading.scenario));
  bool any = false;
  for (const auto& quantity : kQuantities) {
    for (const bool least : {true, false}) {
      const std::string key = std::string(quantity.name) + (least ? "_min" : "_max");
      const TomlNode* node = table.Find(key);
      if (node == nullptr) continue;
      any = true;
      std::int64_t limit = 0;
      reader.Scaled(table, key, 0, quantity.most, quantity.scale, limit);
      Expectation expectation;
      expectation.quantity = quantity.quantity;
      expectation.tenant = tenant;
      (least ? expectation.at_least : expectation.at_most) = limit;
      if (tenant) expectation.text = reading.scenario.node.tenants[*tenant].name + ": ";
      expectation.text += key + " = " + TomlReader::NumberText(node->real);
      expectation.line = static_cast<int>(node->place.line);
      reading.scenario.expectations.push_back(std::move(expectation));
    }
  }
  if (!any) {
    reader.Error(table.place, "an expectation needs a limit, such as 'bounds_met_percent_min'");
  }
}

}  // namespace

void ReadDevice(ScenarioReading& reading, const TomlNode& root) {
  TomlReader& reader = reading.reader;
  const TomlNode* table = reader.Table(root, "device");
  if (table == nullptr) return;
  reader.CheckKeys(*table, kDeviceKeys, " in [device]");
  ScenarioDevice& device = reading.scenario.device;
  if (const TomlNode* node = table->Find("profile")) {
    if (const auto path = NamedFile(reading, "profile", *node)) {
      const Result<MachineProfile> profile = ReadProfileFile(*path);
      if (profile.ok()) {
        device.slots = profile->slots;
        device.costs = profile->costs;
      } else {
        reader.Error(node->place, "'profile': " + profile.status().message());
      }
    }
  }
  std::int64_t slots = device.slots;
  reader.Integer(*table, "slots", 1, kSlotsMax, slots);
  device.slots = static_cast<std::int32_t>(slots);
  std::int64_t memory = 0;
  reader.Scaled(*table, "memory_mib", 0, kMebibytesMax, kMebibyte, memory);
  device.memory = Bytes(memory);
  const auto read = [&](std::string_view key, TimeDistribution& times) {
    const TomlNode* node = table->Find(key);
    if (node != nullptr) times = ReadTimes(reader, key, *node, Duration::Microseconds(1));
  };
  read("read_us", device.costs.read);
  read("hand_over_us", device.costs.hand_over);
  read("reply_us", device.costs.reply);
}

void ReadFaults(ScenarioReading& reading, const TomlNode& root) {
  for (const TomlNode* table : reading.reader.Tables(root, "faults", kFaultsMax, "faults")) {
    ReadFault(reading, *table);
  }
}

void ReadExpectations(ScenarioReading& reading, const TomlNode& root) {
  for (const TomlNode* table :
       reading.reader.Tables(root, "expect", kExpectationsMax, "expectations")) {
    ReadExpectation(reading, *table);
  }
}

Result<Scenario> ParseScenario(std::string_view text, const std::string& file,
                               const std::optional<std::filesystem::path>& folder) {
  TomlReader reader(file);
  const auto root = reader.Parse(text);
  if (!root) return reader.TakeStatus();
  Scenario scenario;
  scenario.name = std::filesystem::path(file).stem().string();
  ScenarioReading reading{reader, folder, scenario};
  reader.CheckKeys(*root, kTables, "");
  reader.Text(*root, "description", scenario.description);
  // Without a time, what follows is still read, with the longest.
  scenario.lasts = Duration::Seconds(kScenarioSecondsMax);
  reader.Needs(*root, "lasts_s", "a scenario");
  ReadSpan(reader, *root, "lasts_s", 0.001, kScenarioSecondsMax, Duration::Seconds(1),
           scenario.lasts);
  ReadNodeSections(reader, *root, scenario.node);
  ReadDevice(reading, *root);
  ReadModels(reading, *root);
  ReadLoad(reading, *root);
  ReadFaults(reading, *root);
  ReadExpectations(reading, *root);
  COTENANT_RETURN_IF_ERROR(reader.TakeStatus());
  return scenario;
}

Result<Scenario> ReadScenario(const std::filesystem::path& path) {
  Result<std::string> text = ReadFile(path, kTomlBytesMax);
  if (!text.ok()) return text.status();
  return ParseScenario(*text, path.string(), std::filesystem::absolute(path).parent_path());
}

}  // namespace cotenant
