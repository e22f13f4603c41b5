#include "apps/cotenant/live_comparison.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "apps/cotenant/live_report.h"
#include "apps/cotenant/result_json.h"
#include "apps/cotenant/run_report.h"
#include "apps/cotenant/usable_cpus.h"
#include "client/load_run.h"
#include "config/run_result_file.h"
#include "simulation/simulator.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// A request that is answered later counts as cold, as one that is refused.
constexpr Duration kBound = Duration::Seconds(2);
constexpr Duration kMeasuredEvery = Duration::Milliseconds(250);
constexpr std::int64_t kMeasuredTimes = 12;
constexpr Bytes kRunReserveLeast = Bytes::MiB(4);
/// Of HTTP; gRPC's are twice as much.
constexpr Bytes kInFlight = Bytes::MiB(8);

volatile std::sig_atomic_t stop_asked = 0;

/// A temporary folder with all that is inside.
class WorkFolder {
 public:
  WorkFolder() {
    std::string name = (fs::temp_directory_path() / "cotenant-live-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~WorkFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Mean intervals from the shortest to eight times that, in four kinds of load.
ArrivalPattern PatternOf(std::size_t place, std::size_t count, Duration shortest, Duration lasts) {
  const auto part = static_cast<std::int64_t>(count > 1 ? 7'000 * place / (count - 1) : 0);
  const Duration mean = Duration::Microseconds(shortest.microseconds() * (1'000 + part) / 1'000);
  switch (place % 4) {
    case 0: return PoissonArrivals{mean};
    case 1: return PeriodicArrivals{mean, mean / 10, mean / 2};
    case 2: return SpikyArrivals{mean * 2, mean * 10, 5};
    default: break;
  }
  return RegimeArrivals{{{Duration(), mean / 2}, {lasts / 3, mean * 3}, {lasts * 2 / 3, mean}}};
}

std::string TenantName(std::size_t place) { return "tenant-" + std::to_string(place + 1); }

Status DeclareTenants(const fs::path& work, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += "[[tenants]]\nname = \"" + TenantName(i) + "\"\n";
  }
  return WriteTextFile((work / "server.toml").string(), text);
}

Scenario ScenarioOf(const std::vector<LiveModel>& models, const LiveContestant& contestant,
                    const LiveOptions& options, Duration lasts) {
  Scenario scenario;
  scenario.name = contestant.name;
  scenario.lasts = lasts;
  scenario.node.policies.residency = contestant.residency;
  scenario.node.policies.prediction = "histogram";
  scenario.device.slots = static_cast<std::int32_t>(UsableCpus());
  for (std::size_t i = 0; i < models.size(); ++i) {
    const LiveModel& from = models[i];
    const LiveVariant* only = OnlyOne(from, contestant.choice);
    const LiveVariant& own = only != nullptr ? *only : from.variants[0];
    ScenarioModel& model = scenario.models.emplace_back();
    model.name = from.name;
    model.samples = from.samples;
    model.profile = own.profile;
    model.profile.model = from.name;
    if (only == nullptr) {
      model.accuracy = own.accuracy;
      for (std::size_t v = 1; v < from.variants.size(); ++v) {
        model.variants.push_back(
            {from.variants[v].name, from.variants[v].accuracy, from.variants[v].profile});
      }
    }
    Tenant tenant;
    tenant.name = TenantName(i);
    tenant.latency_bound = kBound;
    scenario.node.tenants.push_back(tenant);
    LoadSource source;
    source.name = tenant.name + "/" + from.name;
    source.tenant = i + 1;
    source.model = i;
    source.arrivals = PatternOf(i, models.size(), options.shortest, lasts);
    scenario.sources.push_back(std::move(source));
  }
  return scenario;
}

Result<RunResult> Play(const Scenario& scenario, const LiveServer& server,
                       const LiveOptions& options, const std::string& what) {
  const Result<BodiesByModel> bodies =
      PrepareBodies(scenario, server.url(), server.address(), options.seed);
  COTENANT_RETURN_IF_ERROR(bodies.status());
  LoadOptions load;
  load.seed = options.seed;
  load.lasts = scenario.lasts;
  load.grace = kBound * 2;
  load.stop = &stop_asked;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (options.progress) {
    load.progress = [&what, terminal](const LoadProgress& p) {
      constexpr int kWidth = 30;
      const double share = std::min(1.0, p.elapsed.seconds() / p.lasts.seconds());
      const auto full = static_cast<std::size_t>(share * kWidth);
      std::fprintf(stderr, "%s[%s%s] %3.0f %%  %s: %llu sent, p99 %s ms%s",
                   terminal ? "\r\x1b[K" : "", std::string(full, '#').c_str(),
                   std::string(kWidth - full, '.').c_str(), share * 100, what.c_str(),
                   static_cast<unsigned long long>(p.sent),
                   MillisecondsText(p.p99.seconds() * 1e3).c_str(), terminal ? "" : "\n");
    };
  }
  LoadRun run(scenario, *bodies, server.url(), server.address(), load);
  Result<RunResult> result = run.Run();
  if (options.progress && terminal) std::fputs("\r\x1b[K", stderr);
  if (result.ok() && stop_asked != 0) return Status(Code::kCancelled, "stopped");
  return result;
}

std::vector<std::string> ServeFlags(const LiveOptions& options, const fs::path& work, Bytes total,
                                    const std::string& residency) {
  const std::string cache =
      options.cache_dir.empty() ? (work / "cache").string() : options.cache_dir;
  return {"--config=" + (work / "server.toml").string(),
          "--memory=" + std::to_string(total.count()),
          "--in-flight-bytes-max=" + std::to_string(kInFlight.count()),
          "--residency=" + residency,
          "--prediction=histogram",
          "--cache-dir=" + cache,
          "--state-dir=" + (work / "state").string()};
}

/// Each network alone under a name of its own, with room for all: sizes, loads and runs.
Result<LiveMemoryFacts> Measure(const LiveOptions& options, const fs::path& work,
                                std::vector<LiveModel>& models) {
  Scenario scenario;
  scenario.name = "measuring";
  const fs::path repository = work / "each";
  const auto find = [&scenario](const std::string& name) {
    return std::ranges::find(scenario.models, name, &ScenarioModel::name);
  };
  for (const LiveModel& model : models) {
    for (const LiveVariant& variant : model.variants) {
      const std::string name = MeasuredName(model, variant);
      if (find(name) != scenario.models.end()) continue;
      COTENANT_RETURN_IF_ERROR(LinkOne(model, variant, name, repository));
      ScenarioModel& measured = scenario.models.emplace_back();
      measured.name = name;
      measured.samples = model.samples;
    }
  }
  const auto count = static_cast<std::int64_t>(scenario.models.size());
  // One network at a time.
  const Duration every = kMeasuredEvery * count;
  scenario.lasts = every * kMeasuredTimes;
  for (std::int64_t i = 0; i < count; ++i) {
    LoadSource& source = scenario.sources.emplace_back();
    source.name = scenario.models[static_cast<std::size_t>(i)].name;
    source.model = static_cast<std::size_t>(i);
    source.arrivals = PeriodicArrivals{every, {}, kMeasuredEvery * i};
  }
  constexpr Bytes kRoom = Bytes(std::int64_t{64} << 30);
  const auto server = LiveServer::Start(repository, ServeFlags(options, work, kRoom, "none"),
                                        work / "each.log", {}, stop_asked);
  COTENANT_RETURN_IF_ERROR(server.status());
  const Result<RunResult> played = Play(scenario, **server, options, "measuring the networks");
  COTENANT_RETURN_IF_ERROR(played.status());
  if (!played->errors.empty()) {
    return InvalidArgument("a network answered: " + played->errors[0].first);
  }
  Result<LiveMemoryFacts> facts = (*server)->Memory();
  COTENANT_RETURN_IF_ERROR(facts.status());
  for (LiveModel& model : models) {
    for (LiveVariant& variant : model.variants) {
      const std::string name = MeasuredName(model, variant);
      const auto row = std::ranges::find(facts->rows, name, &LiveModelFacts::name);
      if (row == facts->rows.end() || row->size == Bytes()) {
        return InvalidArgument(name + " is not served; see its log");
      }
      const auto at = static_cast<std::size_t>(find(name) - scenario.models.begin());
      const LatencyFigures& seen = played->models[at].latency;
      variant.profile.anonymous = row->size;
      variant.profile.load.quantiles = {Duration::Nanoseconds(static_cast<std::int64_t>(
          row->load_seconds * 1e9 / static_cast<double>(std::max<std::uint64_t>(1, row->loads))))};
      RunTimes& run = variant.profile.runs.emplace_back();
      run.alone.quantiles = {seen.least, seen.p50, seen.p90};
      run.peak = row->run_peak;
    }
  }
  return facts;
}

/// Room for the models as asked for, and for their runs, as the server reserves it; at least for
/// the largest network alone.
Bytes RoomForModels(const std::vector<LiveModel>& models, std::int64_t per_cent) {
  Bytes sum;
  Bytes largest;
  std::vector<Bytes> peaks;
  for (const LiveModel& model : models) {
    const LiveVariant& best = model.Best();
    sum += best.size();
    largest = std::max(largest, best.size());
    Bytes peak = kRunReserveLeast;
    for (const LiveVariant& variant : model.variants) {
      peak = std::max(peak, variant.profile.runs[0].peak);
    }
    peaks.push_back(peak);
  }
  std::ranges::sort(peaks, std::ranges::greater());
  peaks.resize(std::min(peaks.size(), static_cast<std::size_t>(UsableCpus())));
  Bytes room = std::max(Bytes(sum.count() * per_cent / 100), largest + Bytes(largest.count() / 8));
  for (Bytes peak : peaks) room += peak;
  return room;
}

/// A sixteenth is for parked networks, an eighth at most for requests.
Bytes TotalFor(Bytes base, Bytes models) {
  const Bytes requests = kInFlight + kInFlight + kInFlight;
  const Bytes whole((base + requests + models).count() * 16 / 15);
  if (requests.count() <= whole.count() / 8) return whole;
  return Bytes((base + models).count() * 16 / 13);
}

Result<LiveOutcome> Contest(const LiveOptions& options, const fs::path& work,
                            const std::vector<LiveModel>& models, const LiveContestant& contestant,
                            Bytes total, Duration lasts, std::string& warning) {
  const fs::path repository =
      work / ("repository-" + std::to_string(static_cast<int>(contestant.choice)));
  if (!fs::exists(repository)) {
    for (const LiveModel& model : models) {
      const LiveVariant* only = OnlyOne(model, contestant.choice);
      const bool whole = contestant.choice == LiveChoice::kAll;
      COTENANT_RETURN_IF_ERROR(whole ? LinkAll(model, repository)
                                     : LinkOne(model, *only, model.name, repository));
    }
  }
  MemoryGroup group;
  if (const Status made = group.Make(Bytes(total.count() / 100 * 105)); !made.ok()) {
    warning = made.message();
  }
  LiveOutcome outcome;
  outcome.total = total;
  const auto server =
      LiveServer::Start(repository, ServeFlags(options, work, total, contestant.residency),
                        work / "serve.log", group.entrance(), stop_asked);
  COTENANT_RETURN_IF_ERROR(server.status());
  const auto facts = [&server](LiveMemoryFacts& to) {
    Result<LiveMemoryFacts> read = (*server)->Memory();
    if (read.ok()) to = *std::move(read);
    return read.status();
  };
  COTENANT_RETURN_IF_ERROR(facts(outcome.before));
  Scenario scenario = ScenarioOf(models, contestant, options, lasts);
  Result<RunResult> live = Play(scenario, **server, options, contestant.name);
  COTENANT_RETURN_IF_ERROR(live.status());
  outcome.live = *std::move(live);
  COTENANT_RETURN_IF_ERROR(facts(outcome.after));
  outcome.kills = group.Kills();
  scenario.device.memory = outcome.after.models;
  outcome.simulated = Simulator(scenario, {options.seed, 0, true}).Run().result;
  return outcome;
}

Status Compare(const LiveOptions& options) {
  const WorkFolder work;
  if (work.path().empty()) return Unavailable("no temporary folder can be made");
  Result<std::vector<LiveModel>> models =
      ReadLiveModels(options.models, options.data, static_cast<std::size_t>(options.tenants));
  COTENANT_RETURN_IF_ERROR(models.status());
  COTENANT_RETURN_IF_ERROR(DeclareTenants(work.path(), models->size()));
  const Result<LiveMemoryFacts> facts = Measure(options, work.path(), *models);
  COTENANT_RETURN_IF_ERROR(facts.status());
  const Bytes total = TotalFor(facts->base, RoomForModels(*models, options.budget));
  const Duration lasts = options.lasts / static_cast<std::int64_t>(std::size(kLiveContestants));
  std::string warning;
  std::vector<LiveOutcome> outcomes;
  for (const LiveContestant& contestant : kLiveContestants) {
    Result<LiveOutcome> outcome =
        Contest(options, work.path(), *models, contestant, total, lasts, warning);
    COTENANT_RETURN_IF_ERROR(outcome.status());
    outcomes.push_back(*std::move(outcome));
  }
  std::printf("%zu tenants in %.1f MiB, %.0f s for each policy, seed %llu\n\n", models->size(),
              static_cast<double>(total.count()) / (1 << 20), lasts.seconds(),
              static_cast<unsigned long long>(options.seed));
  if (!warning.empty()) {
    std::printf("No limit of the system, the server's own budget only: %s\n\n", warning.c_str());
  }
  std::fputs(LiveTables(*models, outcomes).c_str(), stdout);
  return options.json.empty() ? Status()
                              : WriteResultJson(options.json, LiveJson(*models, outcomes, options));
}

}  // namespace

int CompareLive(const LiveOptions& options) {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const Status status = Compare(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "cotenant reproduce --live: %s\n", status.message().c_str());
  return 1;
}

}  // namespace cotenant
