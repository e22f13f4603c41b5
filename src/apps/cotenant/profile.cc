#include "apps/cotenant/profile.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>

#include "apps/cotenant/cpu_name.h"
#include "apps/cotenant/network_measurer.h"
#include "apps/cotenant/profile_from_log.h"
#include "apps/cotenant/profile_report.h"
#include "apps/cotenant/result_json.h"
#include "apps/cotenant/usable_cpus.h"
#include "client/host_cpu.h"
#include "config/command_flags.h"
#include "config/directory_source.h"
#include "config/profile_file.h"
#include "config/profile_store.h"
#include "config/state_dir.h"
#include "execution/onnx/onnx_backend.h"
#include "protocol/server_facts.h"
#include "server/clock.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

/// A request whose size none of the profiled models says, and the smallest and greatest measured.
constexpr Bytes kTinyRequest = Bytes(64);
constexpr Bytes kLargeRequest = Bytes::MiB(1);
constexpr Bytes kRequestMax = Bytes::MiB(16);
constexpr std::int32_t kRowsMax = 4096;

volatile std::sig_atomic_t stop_asked = 0;

struct Settings {
  std::string repository;
  std::vector<std::string> models;
  std::vector<std::string> logs;  ///< To refine from, instead of measuring.
  std::vector<std::int32_t> rows = {1, 2, 4, 8};
  Duration seconds = Duration::Seconds(10);
  std::string state_dir;
  std::string output;
  std::string json;
  std::map<std::string, InputChoice> inputs;
  bool beside = false;
  bool node = true;
  bool progress = isatty(STDERR_FILENO) != 0;
};

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Result<std::int64_t> ReadNumber(const std::string& text, std::int64_t low, std::int64_t high) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end && number >= low && number <= high) return number;
  return InvalidArgument("expected whole numbers from " + std::to_string(low) + " to " +
                         std::to_string(high) + " with commas between, got '" + text + "'");
}

Status SetRows(const std::string& text, std::vector<std::int32_t>& rows) {
  rows.clear();
  for (const std::string& part : Split(text)) {
    const Result<std::int64_t> number = ReadNumber(part, 1, kRowsMax);
    if (!number.ok()) return number.status();
    rows.push_back(static_cast<std::int32_t>(*number));
  }
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return {};
}

/// "MODEL/INPUT=VALUE"; the value comes back, and the name of the input.
Result<std::pair<std::string, std::string>> ReadInputFlag(const std::string& text,
                                                          std::string* model) {
  const std::size_t slash = text.find('/');
  const std::size_t equals = text.find('=');
  if (slash == std::string::npos || equals == std::string::npos || equals < slash || slash == 0 ||
      equals == slash + 1 || equals + 1 == text.size()) {
    return InvalidArgument("expected MODEL/INPUT=…, got '" + text + "'");
  }
  *model = text.substr(0, slash);
  return std::pair(text.substr(slash + 1, equals - slash - 1), text.substr(equals + 1));
}

Status AddShape(const std::string& text, std::map<std::string, InputChoice>& inputs) {
  std::string model;
  const auto flag = ReadInputFlag(text, &model);
  if (!flag.ok()) return flag.status();
  Shape shape;
  for (const std::string& part : Split(flag->second)) {
    const Result<std::int64_t> dim = ReadNumber(part, 1, std::int64_t{1} << 30);
    if (!dim.ok()) return dim.status();
    if (!shape.TryAppend(*dim)) return InvalidArgument("too many dimensions: '" + text + "'");
  }
  inputs[model].shapes.emplace_back(flag->first, shape);
  return {};
}

Status AddFile(const std::string& text, std::map<std::string, InputChoice>& inputs) {
  std::string model;
  auto flag = ReadInputFlag(text, &model);
  if (!flag.ok()) return flag.status();
  inputs[model].files.push_back(*std::move(flag));
  return {};
}

std::vector<CommandFlag> Flags(Settings& s) {
  using enum FlagKind;
  return {
      {"models", kValue, "A,B", "only these models (all)",
       [&s](const std::string& text) {
         s.models = Split(text);
         return Status();
       }},
      {"batch", kValue, "N,N", "rows of a run; those above a model's limit are left out (1,2,4,8)",
       [&s](const std::string& text) { return SetRows(text, s.rows); }},
      {"seconds", kValue, "S", "of measuring each model (10)",
       SetsSeconds(s.seconds, Duration::Milliseconds(100), Duration::Seconds(3600))},
      {"shape", kValue, "MODEL/INPUT=D,D",
       "an input's dimensions, without the rows; repeated for one input: measured with each",
       [&s](const std::string& text) { return AddShape(text, s.inputs); }},
      {"data", kValue, "MODEL/INPUT=FILE", "an input's raw little-endian values; repeatable",
       [&s](const std::string& text) { return AddFile(text, s.inputs); }},
      {"from-log", kValue, "LOG",
       "measure nothing: refine what is kept by a log of `serve --record`; repeatable",
       [&s](const std::string& text) {
         s.logs.push_back(text);
         return Status();
       }},
      {"no-node", kSwitch, "", "do not measure the node's own cost of a request",
       SetsSwitch(s.node, false)},
      {"state-dir", kValue, "DIR", "where the profile is kept (docs/profiles.md)",
       SetsText(s.state_dir)},
      {"beside", kSwitch, "", "also write each model's profile into its folder, for shipping",
       SetsSwitch(s.beside)},
      {"output", kValue, "FILE", "also write the profile there, for a scenario",
       SetsText(s.output)},
      {"json", kValue, "FILE", "write what the tables show", SetsText(s.json)},
      {"progress", kSwitch, "", "show progress also without a terminal", SetsSwitch(s.progress)},
      {"no-progress", kSwitch, "", "show no progress", SetsSwitch(s.progress, false)},
  };
}

constexpr CommandUsage kUsage = {
    "profile",
    "MODELS_DIR",
    "one model repository",
    1,
    1,
    "Measures the models of a repository, and the node itself, on this machine."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

/// A bar over all that is to be measured.
class ProgressBar {
 public:
  ProgressBar(bool shown, Duration total) : shown_(shown), total_(total) {}
  ~ProgressBar() { Clear(); }

  void Begin(const std::string& what) {
    what_ = what;
    Show(Duration());
  }
  void Show(Duration of_this) {
    if (!shown_) return;
    constexpr int kWidth = 30;
    const double share =
        std::clamp((done_ + of_this).seconds() / std::max(total_.seconds(), 1e-9), 0.0, 1.0);
    const int full = static_cast<int>(share * kWidth);
    if (!terminal_ && full == shown_full_) return;
    shown_full_ = full;
    std::fprintf(stderr, "%s[%s%s] %3.0f %%  %s%s", terminal_ ? "\r\x1b[K" : "",
                 std::string(static_cast<std::size_t>(full), '#').c_str(),
                 std::string(static_cast<std::size_t>(kWidth - full), '.').c_str(), share * 100,
                 what_.c_str(), terminal_ ? "" : "\n");
  }
  void End(Duration of_this) { done_ += of_this; }
  void Clear() {
    if (shown_ && terminal_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  bool shown_;
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  int shown_full_ = -1;
  Duration total_;
  Duration done_;
  std::string what_;
};

void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  // A second signal ends the program at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

/// In a process of its own: here others' memory would count, and what was loaded before.
Bytes MeasureLoadPeak(const Settings& settings, const std::string& model, const VersionFile& file,
                      const VariantSource* variant, const LoadFacts& facts) {
  constexpr Duration kRunsFor = Duration::Milliseconds(1);
  constexpr Duration kLastsMax = Duration::Seconds(60);
  NetworkToMeasure network;
  network.repository = settings.repository;
  network.model = model;
  network.version = file.version;
  if (variant != nullptr) network.variant = variant->name;
  const Result<MeasuredForm> measured = NetworkMeasurer(kRunsFor, kLastsMax).Measure(network);
  if (!measured.ok()) {
    LogWarning("model '" + TitleOf(network) +
               "': what its load takes could not be measured: " + measured.status().message());
    return Bytes();
  }
  return std::max(measured->cost.transition_peak, facts.taken());
}

/// Of the models: of each version its own, and the variants that lie beside it.
std::int64_t CountNetworks(DirectorySource& source, const std::vector<std::string>& names) {
  std::size_t count = 0;
  for (const std::string& name : names) {
    const Result<ModelDescription> description = source.Read(name, {});
    if (!description.ok()) continue;
    for (const VersionFile& file : description->versions) count += 1 + file.variants.size();
  }
  return static_cast<std::int64_t>(count);
}

void MeasureModels(const Settings& settings, DirectorySource& source, Backend& backend,
                   const std::vector<std::string>& names, ProgressBar& bar, ProfileReport& report) {
  Telemetry telemetry;
  ProfileModelOptions options;
  options.rows = settings.rows;
  options.budget = settings.seconds;
  options.slots = report.slots;
  options.stop = &stop_asked;
  options.progress = [&bar](Duration elapsed) { bar.Show(elapsed); };
  for (const std::string& name : names) {
    if (stop_asked != 0) return;
    const auto inputs = settings.inputs.find(name);
    options.inputs = inputs == settings.inputs.end() ? InputChoice() : inputs->second;
    Result<ModelDescription> description = source.Read(name, {});
    if (!description.ok()) {
      report.failures.emplace_back(name, description.status().message());
      continue;
    }
    const auto measure = [&](const VersionFile& file, const VariantSource* variant) {
      if (stop_asked != 0) return;
      const std::string title = variant == nullptr ? name : VariantTitle(name, variant->name);
      bar.Begin(title);
      Result<MeasuredModel> measured =
          MeasureModel(source, backend, telemetry, *description, file, variant, options);
      if (measured.ok()) {
        measured->load_peak = MeasureLoadPeak(settings, name, file, variant, measured->facts);
        report.models.push_back(*std::move(measured));
      } else {
        report.failures.emplace_back(title + " version " + std::to_string(file.version),
                                     measured.status().message());
      }
      bar.End(settings.seconds);
    };
    for (const VersionFile& file : description->versions) {
      measure(file, nullptr);
      for (const VariantSource& variant : file.variants) measure(file, &variant);
    }
  }
}

/// With tiny and with large requests, and with such as the models take: those are kept.
Status MeasureCosts(const Settings& settings, ProgressBar& bar, ProfileReport& report) {
  std::int64_t total = 0;
  for (const MeasuredModel& model : report.models) total += model.choices.front().request.count();
  const auto count = static_cast<std::int64_t>(std::max<std::size_t>(report.models.size(), 1));
  ProfileNodeOptions options;
  options.slots = report.slots;
  options.lasts = std::clamp(settings.seconds, Duration::Seconds(1), Duration::Seconds(10));
  options.requests = {kTinyRequest, std::clamp(Bytes(total / count), kTinyRequest, kRequestMax),
                      kLargeRequest};
  bar.Begin("the node itself");
  Result<std::vector<MeasuredNode>> nodes = MeasureNode(options);
  bar.End(settings.seconds);
  if (!nodes.ok()) return nodes.status();
  report.nodes = *std::move(nodes);
  report.chosen_node = 1;
  return Status();
}

ProfileStore StoreOf(const Settings& settings, const MachineProfile& profile) {
  const std::filesystem::path state =
      settings.state_dir.empty() ? DefaultStateDir() : std::filesystem::path(settings.state_dir);
  return {state, {settings.repository}, {profile.cpu, profile.onnxruntime_version}};
}

/// Every file that can be written is, whatever happens to the others. `json` is what the tables
/// show.
int Keep(const Settings& settings, const MachineProfile& profile, const std::string& json) {
  int code = 0;
  const auto check = [&](const Status& status, const std::string& where) {
    if (status.ok()) {
      std::printf("written: %s\n", where.c_str());
    } else {
      code = Fail(1, status.message());
    }
  };
  const ProfileStore store = StoreOf(settings, profile);
  if (!profile.models.empty() || !profile.costs.read.empty()) {
    check(store.Save(profile), store.StateFile().string());
  }
  if (!settings.output.empty()) {
    check(WriteProfileFile(settings.output, profile), settings.output);
  }
  std::string last;
  for (const MachineProfile::Model& model : profile.models) {
    const std::string& name = model.profile.model;
    // A variant's is in its model's.
    const bool written = name == last || (!last.empty() && ModelOfTitle(name) == last);
    if (!settings.beside || written) continue;
    last = name;
    const std::filesystem::path folder = std::filesystem::path(settings.repository) / name;
    check(store.SaveBeside(profile, name), (folder / kProfileFileName).string());
  }
  if (!settings.json.empty()) {
    check(WriteResultJson(settings.json, json), settings.json);
  }
  return code;
}

/// CPU time of this process.
Duration OwnCpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Duration::Seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         Duration::Microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/// What the host and other processes took of the CPUs since `before`.
void TakeDisturbance(const std::optional<HostCpu>& before, Duration own, ProfileReport& report) {
  const std::optional<HostCpu> after = ReadHostCpu();
  if (!before || !after || after->total <= before->total) return;
  const auto total = static_cast<double>(after->total - before->total);
  const auto steal = static_cast<double>(after->steal - before->steal);
  const auto idle = static_cast<double>(after->idle - before->idle);
  const double own_ticks = own.seconds() * static_cast<double>(sysconf(_SC_CLK_TCK));
  report.host_steal_percent = 100 * steal / total;
  report.others_percent = 100 * std::max(0.0, total - steal - idle - own_ticks) / total;
}

int Measure(const Settings& settings) {
  DirectorySource source({settings.repository});
  Result<std::vector<std::string>> listed = source.List();
  if (!listed.ok()) return Fail(2, listed.status().message());
  const std::vector<std::string>& names = settings.models.empty() ? *listed : settings.models;
  Result<std::unique_ptr<OnnxBackend>> backend = OnnxBackend::Create({});
  if (!backend.ok()) return Fail(1, backend.status().message());

  // The node that is measured would tell of its start.
  LogOptions log;
  log.level = LogLevel::kWarning;
  if (Status status = SetUpLog(log); !status.ok()) return Fail(1, status.message());

  ProfileReport report;
  report.cpu = CpuName();
  report.onnxruntime_version = OnnxRuntimeVersion();
  report.cotenant_version = kServerVersion;
  report.slots = UsableCpus();
  report.started = UtcNow();
  const std::optional<HostCpu> cpu_before = ReadHostCpu();
  const Duration own_before = OwnCpu();
  const Instant began = MonotonicNow();
  CatchSignals();
  Status node_status;
  {
    ProgressBar bar(settings.progress, settings.seconds * (CountNetworks(source, names) + 1));
    MeasureModels(settings, source, **backend, names, bar, report);
    if (settings.node && stop_asked == 0) node_status = MeasureCosts(settings, bar, report);
  }
  report.took = MonotonicNow() - began;
  TakeDisturbance(cpu_before, OwnCpu() - own_before, report);
  std::fputs(ProfileTables(report).c_str(), stdout);
  int code = Keep(settings, report.Profile(), ProfileJson(report));
  if (!node_status.ok()) code = Fail(1, "the node: " + node_status.message());
  if (stop_asked != 0) code = Fail(1, "stopped; what was measured until then is kept");
  return report.failures.empty() ? code : 1;
}

int Refine(const Settings& settings) {
  MachineProfile machine;
  machine.cpu = CpuName();
  machine.onnxruntime_version = OnnxRuntimeVersion();
  machine.cotenant_version = kServerVersion;
  const ProfileStore store = StoreOf(settings, machine);
  const Result<RefinedProfile> refined = RefineFromLogs(settings.repository, settings.logs,
                                                        settings.models, store, std::move(machine));
  if (!refined.ok()) return Fail(2, refined.status().message());
  if (refined->profile.models.empty() && refined->failures.empty()) {
    return Fail(2, "the logs name no model of '" + settings.repository + "'");
  }
  std::fputs(RefinedTables(*refined).c_str(), stdout);
  const int code = Keep(settings, refined->profile, RefinedJson(*refined, settings.logs));
  return refined->failures.empty() ? code : 1;
}

}  // namespace

int Profile(std::span<const std::string> arguments) {
  Settings settings;
  const std::vector<CommandFlag> flags = Flags(settings);
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  settings.repository = line.words[0];
  return settings.logs.empty() ? Measure(settings) : Refine(settings);
}

}  // namespace cotenant
