#include <algorithm>
#include <charconv>

#include "config/node_sections.h"
#include "config/profile_file.h"
#include "config/scenario_file.h"
#include "config/scenario_sections.h"

namespace cotenant {
namespace {

constexpr std::string_view kModelKeys[] = {"name",
                                           "max_batch_size",
                                           "cores",
                                           "dynamic_batching",
                                           "profile",
                                           "run_us",
                                           "run_beside_us",
                                           "run_peak_mib",
                                           "spread_percent",
                                           "load_ms",
                                           "mapped_mib",
                                           "anonymous_mib",
                                           "load_peak_mib",
                                           "inputs",
                                           "samples",
                                           "load_failures_percent",
                                           "run_failures_percent",
                                           "accuracy",
                                           "accuracy_min",
                                           "pin",
                                           "idle_unload_s",
                                           "variants"};
constexpr std::string_view kVariantKeys[] = {
    "name",           "accuracy", "profile",    "run_us",        "run_beside_us", "run_peak_mib",
    "spread_percent", "load_ms",  "mapped_mib", "anonymous_mib", "load_peak_mib"};
/// As many as a model's folder may declare.
constexpr std::size_t kVariantsMax = 16;
constexpr std::string_view kBatchingKeys[] = {"preferred_batch_size",
                                              "max_queue_delay_microseconds", "preserve_ordering",
                                              "default_queue_policy"};
constexpr std::string_view kQueueKeys[] = {"timeout_action", "default_timeout_microseconds",
                                           "max_queue_size"};
constexpr std::string_view kTimeoutActions[] = {"REJECT", "DELAY"};

constexpr std::int64_t kBatchMax = 1 << 20;
constexpr std::int64_t kCoresMax = 4096;
constexpr double kMebibytesMax = 1 << 30;
constexpr double kMebibyte = 1 << 20;
constexpr std::int64_t kMicrosecondsMax = 3'600'000'000;
constexpr std::int64_t kQueueSizeMax = 1'000'000;

struct RowTimes {
  std::int32_t rows = 1;
  TimeDistribution times;
};

/// Times by rows under the key, ascending: a table, or one value for one row.
std::vector<RowTimes> ReadRowTimes(TomlReader& reader, const TomlNode& table, std::string_view key,
                                   double spread_percent) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return {};
  std::vector<RowTimes> result;
  const auto add = [&](std::int32_t rows, const TomlNode& value) {
    TimeDistribution times = ReadTimes(reader, key, value, Duration::Microseconds(1));
    if (times.quantiles.size() == 1 && spread_percent > 0) {
      const Duration middle = times.quantiles.front();
      const Duration part = Duration::Nanoseconds(
          TomlReader::Round(static_cast<double>(middle.nanoseconds()), spread_percent / 100));
      times.quantiles = {middle - part, middle + part};
    }
    result.push_back({rows, std::move(times)});
  };
  if (!node->is_table()) {
    add(1, *node);
    return result;
  }
  for (const TomlEntry& entry : node->entries) {
    std::int32_t rows = 0;
    const char* end = entry.key.data() + entry.key.size();
    const auto parsed = std::from_chars(entry.key.data(), end, rows);
    if (parsed.ec != std::errc() || parsed.ptr != end || rows < 1 || rows > kBatchMax ||
        entry.key.front() == '0') {
      reader.Error(entry.place, "'" + std::string(key) + "': '" + entry.key +
                                    "' is no number of rows, expected 1 to " +
                                    std::to_string(kBatchMax));
    } else {
      add(rows, entry.value);
    }
  }
  if (node->entries.empty()) {
    reader.Error(node->place, "'" + std::string(key) + "': expected times by rows, {1 = 500}");
  }
  std::ranges::sort(result, {}, &RowTimes::rows);
  return result;
}

void ReadRuns(TomlReader& reader, const TomlNode& table, ModelProfile& profile) {
  std::int64_t spread = 0;
  reader.Scaled(table, "spread_percent", 0, 100, 1000, spread);
  const double percent = static_cast<double>(spread) / 1000;
  const std::vector<RowTimes> alone = ReadRowTimes(reader, table, "run_us", percent);
  const std::vector<RowTimes> beside = ReadRowTimes(reader, table, "run_beside_us", percent);
  if (!alone.empty()) profile.runs.clear();
  for (const RowTimes& times : alone) profile.runs.push_back({times.rows, times.times, {}, {}});
  for (const RowTimes& times : beside) {
    const auto run = std::ranges::find(profile.runs, times.rows, &RunTimes::rows);
    if (run != profile.runs.end()) {
      run->beside = times.times;
    } else if (!profile.runs.empty()) {
      reader.Error(table.Find("run_beside_us")->place, "'run_beside_us': 'run_us' has no time of " +
                                                           std::to_string(times.rows) +
                                                           (times.rows == 1 ? " row" : " rows"));
    }
  }
  if (table.Find("run_peak_mib") != nullptr) {
    std::int64_t peak = 0;
    reader.Scaled(table, "run_peak_mib", 0, kMebibytesMax, kMebibyte, peak);
    for (RunTimes& run : profile.runs) run.peak = Bytes(peak);
  }
}

void ReadProfileOf(ScenarioReading& reading, const TomlNode& node, const std::string& name,
                   ModelProfile& profile) {
  const auto path = NamedFile(reading, "profile", node);
  if (!path) return;
  Result<MachineProfile> machine = ReadProfileFile(*path);
  if (!machine.ok()) {
    reading.reader.Error(node.place, "'profile': " + machine.status().message());
    return;
  }
  for (MachineProfile::Model& measured : machine->models) {
    if (measured.profile.model == name) {
      profile = std::move(measured.profile);
      return;
    }
  }
  reading.reader.Error(node.place,
                       "'profile': '" + path->string() + "' has no model '" + name + "'");
}

QueuePolicy ReadQueuePolicy(TomlReader& reader, const TomlNode& batching) {
  QueuePolicy policy;
  const TomlNode* table = reader.Table(batching, "default_queue_policy");
  if (table == nullptr) return policy;
  reader.CheckKeys(*table, kQueueKeys, " of a queue policy");
  std::string action = "REJECT";
  std::int64_t timeout = 0;
  std::int64_t size = 0;
  reader.Choice(*table, "timeout_action", kTimeoutActions, action);
  reader.Integer(*table, "default_timeout_microseconds", 0, kMicrosecondsMax, timeout);
  reader.Integer(*table, "max_queue_size", 0, kQueueSizeMax, size);
  policy.timeout_action = action == "DELAY" ? TimeoutAction::kDelay : TimeoutAction::kReject;
  policy.default_timeout = Duration::Microseconds(timeout);
  policy.waiting_max = static_cast<std::uint32_t>(size);
  return policy;
}

void ReadBatching(TomlReader& reader, const TomlNode& table, ScenarioModel& model) {
  const TomlNode* node = reader.Table(table, "dynamic_batching");
  if (node == nullptr) return;
  reader.CheckKeys(*node, kBatchingKeys, " of 'dynamic_batching'");
  DynamicBatching batching;
  if (const TomlNode* sizes = node->Find("preferred_batch_size")) {
    bool sound = sizes->is_list();
    for (const TomlNode& size : sizes->items) {
      const bool fits = size.kind == TomlNode::Kind::kInteger && size.integer >= 1 &&
                        size.integer <= model.rows_max;
      sound = sound && fits;
      if (sound) batching.preferred_sizes.push_back(static_cast<std::int32_t>(size.integer));
    }
    if (!sound) {
      reader.Error(sizes->place,
                   "'preferred_batch_size': expected a list of whole numbers from 1 to "
                   "'max_batch_size', " +
                       std::to_string(model.rows_max));
    }
    std::ranges::sort(batching.preferred_sizes);
  }
  std::int64_t delay = 0;
  reader.Integer(*node, "max_queue_delay_microseconds", 0, kMicrosecondsMax, delay);
  batching.queue_delay_max = Duration::Microseconds(delay);
  reader.Truth(*node, "preserve_ordering", batching.preserve_ordering);
  batching.default_policy = ReadQueuePolicy(reader, *node);
  model.batching = std::move(batching);
}

void ReadInputs(ScenarioReading& reading, const TomlNode& table, ScenarioModel& model) {
  if (const TomlNode* samples = table.Find("samples")) {
    const auto path = NamedFile(reading, "samples", *samples);
    std::error_code error;
    if (path && std::filesystem::is_directory(*path, error)) {
      model.samples = path->string();
    } else if (path) {
      reading.reader.Error(samples->place,
                           "'samples': there is no folder '" + path->string() + "'");
    }
  }
  const TomlNode* inputs = reading.reader.Table(table, "inputs");
  if (inputs == nullptr) return;
  for (const TomlEntry& entry : inputs->entries) {
    const auto path = NamedFile(reading, entry.key, entry.value);
    if (!path) continue;
    std::error_code error;
    if (std::filesystem::is_regular_file(*path, error)) {
      model.input_files.emplace_back(entry.key, path->string());
    } else {
      reading.reader.Error(entry.value.place,
                           "'" + entry.key + "': there is no file '" + path->string() + "'");
    }
  }
}

void ReadMemory(TomlReader& reader, const TomlNode& table, std::string_view key, Bytes& bytes) {
  std::int64_t count = bytes.count();
  reader.Scaled(table, key, 0, kMebibytesMax, kMebibyte, count);
  bytes = Bytes(count);
}

/// Times and sizes, from the table itself or from a profile file that it names.
void ReadTimesAndSizes(ScenarioReading& reading, const TomlNode& table, std::string_view what,
                       const std::string& name, ModelProfile& result) {
  TomlReader& reader = reading.reader;
  const TomlNode* profile = table.Find("profile");
  if (profile != nullptr) ReadProfileOf(reading, *profile, name, result);
  ReadRuns(reader, table, result);
  if (profile == nullptr && table.Find("run_us") == nullptr) {
    reader.Error(table.place,
                 std::string(what) + " needs 'run_us', or a 'profile' that has its times");
  }
  result.model = name;
  if (const TomlNode* load = table.Find("load_ms")) {
    result.load = ReadTimes(reader, "load_ms", *load, Duration::Milliseconds(1));
  }
  ReadMemory(reader, table, "mapped_mib", result.mapped);
  ReadMemory(reader, table, "anonymous_mib", result.anonymous);
  ReadMemory(reader, table, "load_peak_mib", result.load_peak);
}

void ReadVariants(ScenarioReading& reading, const TomlNode& table, ScenarioModel& model) {
  TomlReader& reader = reading.reader;
  for (const TomlNode* node : reader.Tables(table, "variants", kVariantsMax, "variants")) {
    reader.CheckKeys(*node, kVariantKeys, " of a variant");
    ScenarioVariant variant;
    variant.name = ReadPlainName(reader, *node, "a variant");
    const bool twice = variant.name == kOwnVariantName ||
                       std::ranges::find(model.variants, variant.name, &ScenarioVariant::name) !=
                           model.variants.end();
    if (!variant.name.empty() && twice) {
      reader.Error(node->Find("name")->place,
                   "variant '" + variant.name + "' is declared twice, or is the model's own");
    }
    variant.accuracy = reader.Points(*node, "accuracy");
    ReadTimesAndSizes(reading, *node, "a variant", model.name + ":" + variant.name,
                      variant.profile);
    model.variants.push_back(std::move(variant));
  }
  if (!model.variants.empty() && model.accuracy == 0) {
    reader.Error(table.place, "a model with variants needs an 'accuracy' of its own network");
  }
}

void ReadModel(ScenarioReading& reading, const TomlNode& table) {
  TomlReader& reader = reading.reader;
  reader.CheckKeys(table, kModelKeys, " of a model");
  ScenarioModel model;
  model.name = ReadPlainName(reader, table, "a model");
  if (!model.name.empty() &&
      std::ranges::find(reading.scenario.models, model.name, &ScenarioModel::name) !=
          reading.scenario.models.end()) {
    reader.Error(table.Find("name")->place, "model '" + model.name + "' is declared twice");
  }
  std::int64_t rows = 1;
  std::int64_t cores = 1;
  reader.Integer(table, "max_batch_size", 1, kBatchMax, rows);
  reader.Integer(table, "cores", 1, kCoresMax, cores);
  model.rows_max = static_cast<std::int32_t>(rows);
  model.cores = static_cast<std::int32_t>(cores);
  if (cores > reading.scenario.device.slots) {
    const TomlNode* node = table.Find("cores");
    reader.Error(node->place, "'cores': the device has " +
                                  std::to_string(reading.scenario.device.slots) + " slots, got " +
                                  std::to_string(cores));
  }
  ReadTimesAndSizes(reading, table, "a model", model.name, model.profile);
  model.accuracy = reader.Points(table, "accuracy");
  model.accuracy_min = reader.Points(table, "accuracy_min");
  reader.Truth(table, "pin", model.pinned);
  ReadSpan(reader, table, "idle_unload_s", 0, kScenarioSecondsMax, Duration::Seconds(1),
           model.idle_unload);
  ReadVariants(reading, table, model);
  ReadBatching(reader, table, model);
  ReadInputs(reading, table, model);
  ReadPerMille(reader, table, "load_failures_percent", model.load_failures_per_mille);
  ReadPerMille(reader, table, "run_failures_percent", model.run_failures_per_mille);
  reading.scenario.models.push_back(std::move(model));
}

}  // namespace

void ReadModels(ScenarioReading& reading, const TomlNode& root) {
  if (!reading.reader.Needs(root, "models", "a scenario")) return;
  for (const TomlNode* table :
       reading.reader.Tables(root, "models", kScenarioModelsMax, "models")) {
    ReadModel(reading, *table);
  }
}

}  // namespace cotenant
