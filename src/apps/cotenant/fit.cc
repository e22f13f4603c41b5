#include "apps/cotenant/fit.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cotenant/cpu_name.h"
#include "apps/cotenant/fit_plan.h"
#include "apps/cotenant/memory_plan.h"
#include "apps/cotenant/prepared_source.h"
#include "apps/cotenant/result_json.h"
#include "apps/cotenant/run_report.h"
#include "apps/cotenant/usable_cpus.h"
#include "config/command_flags.h"
#include "config/directory_source.h"
#include "config/profile_file.h"
#include "config/profile_store.h"
#include "config/scenario_file.h"
#include "config/state_dir.h"
#include "execution/onnx/onnx_backend.h"
#include "policy/policy_table.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

/// Without a scenario each model is asked for by itself, at random times, for so long.
constexpr Duration kLasts = Duration::Seconds(1200);

struct Settings {
  std::string memory;
  std::string scenario;
  Duration interval = Duration::Seconds(10);
  std::string residency;
  std::uint64_t seed = 1;
  std::string state_dir;
  std::string cache_dir;
  std::string json;
};

std::vector<CommandFlag> Flags(Settings& s) {
  using enum FlagKind;
  return {
      {"memory", kValue, "SIZE", "the budget, as for serve: 512MiB, or 60% (80%)",
       SetsText(s.memory)},
      {"scenario", kValue, "FILE", "whose load the models get; its models are known by their names",
       SetsText(s.scenario)},
      {"interval", kValue, "S",
       "without a scenario: seconds between two requests for a model, on average (10)",
       SetsSeconds(s.interval, Duration::Milliseconds(1), Duration::Seconds(86'400))},
      {"residency", kValue, "NAME", "the policy that decides who is in memory (as serve's)",
       SetsText(s.residency)},
      {"seed", kValue, "N", "of arrivals and run times (1)", SetsSeed(s.seed)},
      {"state-dir", kValue, "DIR", "where the profile is kept (docs/profiles.md)",
       SetsText(s.state_dir)},
      {"cache-dir", kValue, "DIR", "prepared networks, as serve's; none: as shipped",
       SetsText(s.cache_dir)},
      {"json", kValue, "FILE", "write what the tables show", SetsText(s.json)},
  };
}

constexpr CommandUsage kUsage = {
    "fit",
    "MODELS_DIR",
    "one model repository",
    1,
    1,
    "Says what of a repository fits into a memory budget on this machine, how many requests would\n"
    "find their model out of memory, and what other budgets would do. The models must have been\n"
    "measured: cotenant profile MODELS_DIR. Exit status 1: the budget is too small for some."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

/// The profile's times, and what was measured of a form in a process of its own.
ModelProfile WithCost(ModelProfile profile, const VariantCost& cost) {
  profile.mapped = cost.mapped;
  profile.anonymous = cost.anonymous;
  profile.load_peak = cost.transition_peak;
  profile.load.quantiles = {cost.load_takes};
  return profile;
}

/// Of a variant: in its prepared form, else as it was profiled. None: nobody has measured it.
std::optional<ModelProfile> VariantProfile(const ProfileStore& store, const ModelProfile& model,
                                           const VariantSource& variant, std::int64_t version) {
  if (variant.form && variant.form->cost) return WithCost(model, *variant.form->cost);
  return store.Find(VariantTitle(model.model, variant.name), FileOf(variant, version)).profile;
}

/// As the server takes it: in its prepared form, with its variants beside it.
ScenarioModel ModelOf(const ModelDescription& description, ModelProfile profile,
                      const ProfileStore& store) {
  const VersionFile& file = description.versions.back();
  ScenarioModel model;
  model.name = description.config.name;
  model.rows_max = std::max(description.config.max_batch_size, 1);
  model.profile = std::move(profile);
  model.profile.model = model.name;
  VariantUse use = description.use;
  for (const VariantSource& variant : file.variants) {
    std::optional<ModelProfile> measured =
        VariantProfile(store, model.profile, variant, file.version);
    // What nobody has measured cannot be reckoned with.
    if (!measured || !variant.accuracy.known()) continue;
    use.accuracy = use.own_accuracy();
    ScenarioVariant& one = model.variants.emplace_back();
    one.name = variant.name;
    one.accuracy = Comparable(variant.accuracy, use.accuracy).milli;
    one.profile = *std::move(measured);
    one.profile.model = VariantTitle(model.name, variant.name);
  }
  if (file.form && file.form->cost) {
    Bytes& load_peak = model.profile.load_peak;
    if (!file.form->path.empty()) {
      model.profile = WithCost(std::move(model.profile), *file.form->cost);
    } else if (load_peak == Bytes()) {
      load_peak = file.form->cost->transition_peak;
    }
  }
  model.accuracy = use.accuracy.milli;
  model.accuracy_min = use.accuracy_min;
  model.pinned = use.pinned;
  model.idle_unload = use.idle_unload.value_or(Duration());
  return model;
}

/// The profiles of all models; InvalidArgument names those that have none.
Result<std::vector<ScenarioModel>> MeasuredModels(ModelSource& source, const ProfileStore& store) {
  Result<std::vector<std::string>> names = source.List();
  COTENANT_RETURN_IF_ERROR(names.status());
  std::vector<ScenarioModel> models;
  std::string lacking;
  for (const std::string& name : *names) {
    Result<ModelDescription> description = source.Read(name, {});
    if (!description.ok()) {
      lacking += "\n  " + name + ": " + description.status().message();
      continue;
    }
    ProfileStore::Found found = store.Find(name, description->versions.back());
    if (!found.profile) {
      lacking += "\n  " + name + ": " + (found.remark.empty() ? "not measured" : found.remark);
      continue;
    }
    models.push_back(ModelOf(*description, *std::move(found.profile), store));
  }
  if (!lacking.empty()) {
    return InvalidArgument("cotenant profile MODELS_DIR measures what is missing:" + lacking);
  }
  if (models.empty()) return InvalidArgument("the repository has no models");
  return models;
}

Scenario EvenLoad(std::vector<ScenarioModel> models, Duration interval) {
  Scenario scenario;
  scenario.name = "even";
  scenario.lasts = kLasts;
  for (std::size_t i = 0; i < models.size(); ++i) {
    LoadSource load;
    load.name = models[i].name;
    load.model = i;
    load.arrivals = PoissonArrivals{interval};
    scenario.sources.push_back(std::move(load));
  }
  scenario.models = std::move(models);
  return scenario;
}

/// The scenario's load on the measured models.
Result<Scenario> LoadOf(const std::string& path, std::vector<ScenarioModel> models) {
  Result<Scenario> scenario = ReadScenario(path);
  COTENANT_RETURN_IF_ERROR(scenario.status());
  for (ScenarioModel& wanted : scenario->models) {
    const auto model = std::ranges::find(models, wanted.name, &ScenarioModel::name);
    if (model == models.end()) {
      return InvalidArgument(path + ": the repository has no model '" + wanted.name + "'");
    }
    wanted.profile = std::move(model->profile);
    if (!wanted.variants.empty()) continue;
    wanted.variants = std::move(model->variants);
    wanted.accuracy = model->accuracy;
    wanted.accuracy_min = std::max(wanted.accuracy_min, model->accuracy_min);
  }
  return scenario;
}

double Mib(Bytes bytes) { return static_cast<double>(bytes.count()) / (1 << 20); }

std::string MibText(Bytes bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", Mib(bytes));
  return text;
}

double ColdPercent(const GroupResult& group) {
  const std::uint64_t replied = group.Ended(RunEnd::kReplied);
  if (replied == 0) return 0;
  return 100.0 * static_cast<double>(group.cold_starts) / static_cast<double>(replied);
}

std::string FixedText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string Tables(const FitReport& report, Bytes request_max) {
  const MemoryBudget& budget = report.asked.budget;
  std::string text = MibText(budget.total) + " MiB: " + MibText(budget.base) +
                     " for the program, " + MibText(budget.requests) + " for requests, " +
                     MibText(budget.parked) + " for parked networks, " + MibText(budget.models) +
                     " for models and their runs\n\n";
  std::vector<std::vector<std::string>> rows = {{"model", "size MiB", "run peak", "load peak",
                                                 "load ms", "least budget", "requests", "refused %",
                                                 "cold %", "p50 ms", "p99 ms"}};
  const RunResult& asked = report.asked.result;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const FittedModel& model = report.models[i];
    const GroupResult& seen = asked.models[i];
    rows.push_back({model.name, MibText(model.size), MibText(model.run_peak),
                    MibText(model.load_peak), MillisecondsText(model.load.seconds() * 1e3),
                    MibText(model.budget_min), std::to_string(seen.requests),
                    PercentText(seen.RefusedMilliPercent()), FixedText(ColdPercent(seen)),
                    MillisecondsText(seen.latency.p50.seconds() * 1e3),
                    MillisecondsText(seen.latency.p99.seconds() * 1e3)});
  }
  text += AlignedTable(rows);
  rows = {{"budget MiB", "for models", "refused %", "cold %", "loads", "loading % of a CPU",
           "p50 ms", "p99 ms"}};
  const auto add = [&rows](const FittedBudget& point, const char* mark) {
    const GroupResult& all = point.result.all;
    const MemoryResult memory = point.result.memory.value_or(MemoryResult());
    rows.push_back({MibText(point.budget.total) + mark, MibText(point.budget.models),
                    PercentText(all.RefusedMilliPercent()), FixedText(ColdPercent(all)),
                    std::to_string(memory.loads),
                    FixedText(100 * memory.load_time.seconds() / point.result.lasts.seconds()),
                    MillisecondsText(all.latency.p50.seconds() * 1e3),
                    MillisecondsText(all.latency.p99.seconds() * 1e3)});
  };
  bool asked_added = false;
  for (const FittedBudget& point : report.curve) {
    if (!asked_added && point.budget.total >= budget.total) {
      add(report.asked, "*");
      asked_added = true;
    }
    if (point.budget.total != budget.total) add(point, "");
  }
  if (!asked_added) add(report.asked, "*");
  text += "\n" + AlignedTable(rows) + "* the budget asked for\n\n";
  text += "all models together: " + MibText(report.sum) +
          " MiB; all warm, with their runs: " + MibText(report.budget_all_warm) + " MiB\n";
  text += "smallest budget that serves every model: " + MibText(report.budget_min) + " MiB\n";
  text += "largest request: " + MibText(request_max) + " MiB\n";
  return text;
}

Json BudgetJson(const FittedBudget& point) {
  const GroupResult& all = point.result.all;
  const MemoryResult memory = point.result.memory.value_or(MemoryResult());
  Json json;
  json["budget_bytes"] = point.budget.total.count();
  json["base_bytes"] = point.budget.base.count();
  json["requests_bytes"] = point.budget.requests.count();
  json["parked_bytes"] = point.budget.parked.count();
  json["models_bytes"] = point.budget.models.count();
  json["requests"] = all.requests;
  json["replied"] = all.Ended(RunEnd::kReplied);
  json["cold_starts"] = all.cold_starts;
  json["loads"] = memory.loads;
  json["load_time_ns"] = memory.load_time.nanoseconds();
  json["latency_p50_ns"] = all.latency.p50.nanoseconds();
  json["latency_p99_ns"] = all.latency.p99.nanoseconds();
  return json;
}

std::string ReportJson(const FitReport& report, Bytes request_max) {
  Json json;
  json["format"] = "cotenant fit";
  json["format_version"] = 1;
  json["scenario"] = report.asked.result.scenario;
  json["seed"] = report.asked.result.seed;
  json["asked"] = BudgetJson(report.asked);
  json["models"] = Json::array();
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const FittedModel& model = report.models[i];
    const GroupResult& seen = report.asked.result.models[i];
    json["models"].push_back({{"name", model.name},
                              {"size_bytes", model.size.count()},
                              {"run_peak_bytes", model.run_peak.count()},
                              {"load_peak_bytes", model.load_peak.count()},
                              {"load_ns", model.load.nanoseconds()},
                              {"budget_min_bytes", model.budget_min.count()},
                              {"requests", seen.requests},
                              {"replied", seen.Ended(RunEnd::kReplied)},
                              {"cold_starts", seen.cold_starts},
                              {"latency_p50_ns", seen.latency.p50.nanoseconds()},
                              {"latency_p99_ns", seen.latency.p99.nanoseconds()}});
  }
  json["sum_bytes"] = report.sum.count();
  json["budget_min_bytes"] = report.budget_min.count();
  json["budget_all_warm_bytes"] = report.budget_all_warm.count();
  json["request_max_bytes"] = request_max.count();
  json["curve"] = Json::array();
  for (const FittedBudget& point : report.curve) json["curve"].push_back(BudgetJson(point));
  return json.dump(2) + "\n";
}

std::filesystem::path CacheFolder(const std::string& flag) {
  if (flag.empty()) return DefaultCacheDir();
  return flag == "none" ? std::filesystem::path() : std::filesystem::path(flag);
}

/// As the server chooses them with this budget.
PreparedSourceOptions FormsWithin(const MemoryBudget& budget, const std::string& repository) {
  PreparedSourceOptions options;
  options.repositories = {repository};
  options.cpu = CpuName();
  options.onnxruntime_version = OnnxRuntimeVersion();
  const Bytes for_runs(SchedulerSettings().run_peak_floor.count() * UsableCpus());
  options.room = std::max(budget.models - for_runs, Bytes(1));
  return options;
}

int Compute(const Settings& settings, const std::string& repository) {
  std::vector<std::string> words = {repository};
  if (!settings.memory.empty()) words.push_back("--memory=" + settings.memory);
  if (!settings.residency.empty()) words.push_back("--residency=" + settings.residency);
  const Result<ServeOptions> options = ParseServe(Program::kCotenant, words);
  if (!options.ok()) return Fail(2, options.status().message());
  if (options->memory.kind == MemoryOption::Kind::kUnlimited) {
    return Fail(2, "--memory=unlimited: everything fits; give a size");
  }
  // The program as it serves: with its libraries up.
  const Result<std::unique_ptr<OnnxBackend>> backend = OnnxBackend::Create({});
  if (!backend.ok()) return Fail(1, backend.status().message());
  const MemoryNeeds needs = ReadMemoryNeeds(*options);
  const Result<MemoryBudget> budget = DivideMemory(needs);
  if (!budget.ok()) return Fail(1, budget.status().message());
  DirectorySource directory({repository});
  PreparedStore prepared(CacheFolder(settings.cache_dir));
  PreparedSource source(directory, prepared, FormsWithin(*budget, repository));
  const std::filesystem::path state =
      settings.state_dir.empty() ? DefaultStateDir() : std::filesystem::path(settings.state_dir);
  const ProfileStore store(state, {repository}, {CpuName(), OnnxRuntimeVersion()});
  Result<std::vector<ScenarioModel>> models = MeasuredModels(source, store);
  if (!models.ok()) return Fail(2, models.status().message());
  Result<Scenario> scenario = settings.scenario.empty()
                                  ? EvenLoad(*std::move(models), settings.interval)
                                  : LoadOf(settings.scenario, *std::move(models));
  if (!scenario.ok()) return Fail(2, scenario.status().message());
  if (settings.scenario.empty() || !settings.residency.empty()) {
    scenario->node.policies.residency = options->settings.policies.residency;
  }
  if (const auto machine = ReadProfileFile(store.StateFile()); machine.ok()) {
    scenario->device.costs = machine->costs;
  }
  scenario->device.slots = UsableCpus();
  const Result<FitReport> report = PlanFit(*scenario, needs, settings.seed);
  if (!report.ok()) return Fail(1, report.status().message());
  const Bytes request_max = WithinBudget(*options, report->asked.budget).body_max;
  std::fputs(Tables(*report, request_max).c_str(), stdout);
  if (!settings.json.empty()) {
    const Status written = WriteResultJson(settings.json, ReportJson(*report, request_max));
    if (!written.ok()) return Fail(1, written.message());
  }
  return report->asked.budget.total < report->budget_min ? 1 : 0;
}

}  // namespace

int Fit(std::span<const std::string> arguments) {
  Settings settings;
  const std::vector<CommandFlag> flags = Flags(settings);
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  return Compute(settings, line.words[0]);
}

}  // namespace cotenant
