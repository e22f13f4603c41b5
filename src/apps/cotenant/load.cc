#include "apps/cotenant/load.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <vector>

#include "apps/cotenant/result_json.h"
#include "apps/cotenant/run_report.h"
#include "client/http_get.h"
#include "client/load_run.h"
#include "config/command_flags.h"
#include "config/run_result_file.h"
#include "config/scenario_file.h"
#include "simulation/expectations.h"

namespace cotenant {
namespace {

constexpr Duration kReadyTimeout = Duration::Seconds(30);
/// Sending later than this is worth a sentence.
constexpr Duration kLateMax = Duration::Milliseconds(1);
/// CPU of the generator above which it may be what limits the load.
constexpr double kClientCpuMax = 0.9;

volatile std::sig_atomic_t stop_asked = 0;

struct Settings {
  std::string scenario;
  std::string url = "http://127.0.0.1:8000";
  std::uint64_t seed = 1;
  Duration seconds;
  Duration warm_up;
  Duration grace = Duration::Seconds(10);
  std::int64_t connections_max = 1024;
  std::string json;
  bool progress = isatty(STDERR_FILENO) != 0;
  bool send_tenants = true;
  bool send_bounds = true;
  bool expect = false;
};

std::vector<CommandFlag> Flags(Settings& s) {
  const Duration zero;
  const Duration hour = Duration::Seconds(3600);
  using enum FlagKind;
  return {
      {"url", kValue, "URL", "where the server listens (http://127.0.0.1:8000)", SetsText(s.url)},
      {"seed", kValue, "N", "of the arrivals and the inputs (1)", SetsSeed(s.seed)},
      {"seconds", kValue, "S", "play only the first S seconds",
       SetsSeconds(s.seconds, Duration::Milliseconds(1), hour * 1000)},
      {"warm-up", kValue, "S", "play S seconds before, which are not counted (0)",
       SetsSeconds(s.warm_up, zero, hour)},
      {"grace", kValue, "S", "wait so long for answers after the last arrival (10)",
       SetsSeconds(s.grace, zero, hour)},
      {"connections-max", kValue, "N", "beyond it requests wait for a connection (1024)",
       SetsNumber(s.connections_max, 1, 60'000)},
      {"no-tenants", kSwitch, "", "name no tenants to the server",
       SetsSwitch(s.send_tenants, false)},
      {"no-bounds", kSwitch, "", "tell the server no latency bounds; they are still counted",
       SetsSwitch(s.send_bounds, false)},
      {"expect", kSwitch, "", "exit with 1 when an expectation of the scenario does not hold",
       SetsSwitch(s.expect)},
      {"json", kValue, "FILE", "write the result (docs/results.md)", SetsText(s.json)},
      {"progress", kSwitch, "", "a line each second, also without a terminal",
       SetsSwitch(s.progress)},
      {"no-progress", kSwitch, "", "no line each second", SetsSwitch(s.progress, false)},
  };
}

constexpr CommandUsage kUsage = {
    "load",
    "SCENARIO",
    "one scenario",
    1,
    1,
    "Plays a scenario's load against a server of the Open Inference Protocol, over HTTP."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

void ShowProgress(const LoadProgress& p) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  std::fprintf(stderr,
               "%s%s%.0f/%.0f s  sent %llu  replied %llu  refused %llu  failed %llu  in flight %zu"
               "  waiting %zu  p99 %s ms%s",
               terminal ? "\r\x1b[K" : "", p.warming_up ? "warm-up " : "", p.elapsed.seconds(),
               p.lasts.seconds(), static_cast<unsigned long long>(p.sent),
               static_cast<unsigned long long>(p.replied),
               static_cast<unsigned long long>(p.refused),
               static_cast<unsigned long long>(p.failed), p.in_flight, p.waiting,
               MillisecondsText(p.p99.seconds() * 1e3).c_str(), terminal ? "" : "\n");
}

void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  // A second signal ends the program at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::string Milliseconds(Duration span) { return MillisecondsText(span.seconds() * 1e3) + " ms"; }

/// What the generator itself did, and whether it stood in the way.
std::string GeneratorText(const RunResult& result, std::int64_t connections_max) {
  const WallFacts& wall = *result.wall;
  const double cpu = wall.client_cpu.seconds() / std::max(wall.took.seconds(), 1e-9);
  const double each = wall.client_cpu.seconds() * 1e6 /
                      static_cast<double>(std::max<std::uint64_t>(result.all.requests, 1));
  char text[256];
  std::snprintf(text, sizeof text,
                "generator: %.0f %% of a core, %.1f us a request; sent late by p50 %s, p99 %s, "
                "max %s; host steal %.2f %%, idle %.0f %%\n",
                100 * cpu, each, Milliseconds(wall.late_p50).c_str(),
                Milliseconds(wall.late_p99).c_str(), Milliseconds(wall.late_max).c_str(),
                wall.host_steal_percent, wall.host_idle_percent);
  std::string all = text;
  if (cpu > kClientCpuMax) {
    all +=
        "The generator was the bottleneck: it took all of a core. Lower the load, or play parts of "
        "it from several generators.\n";
  } else if (wall.late_p99 > kLateMax) {
    all +=
        "Requests were sent late, and latencies contain it: the generator did not get the CPU in "
        "time. Give it a core of its own (taskset), or a less busy machine.\n";
  }
  if (wall.waited_for_connection > 0) {
    all += std::to_string(wall.waited_for_connection) +
           " requests waited for a free connection, p99 " + Milliseconds(wall.waited_p99) +
           ", max " + Milliseconds(wall.waited_max) + "; latencies contain it (--connections-max " +
           std::to_string(connections_max) + ").\n";
  }
  return all;
}

Result<RunResult> Play(const Settings& settings, const Scenario& scenario) {
  const Result<ServerUrl> url = ParseServerUrl(settings.url);
  if (!url.ok()) return url.status();
  const Result<ServerAddress> address = FindServer(*url);
  if (!address.ok()) return address.status();
  COTENANT_RETURN_IF_ERROR(AwaitReady(*url, *address, kReadyTimeout));
  const Result<BodiesByModel> bodies = PrepareBodies(scenario, *url, *address, settings.seed);
  if (!bodies.ok()) return bodies.status();
  LoadOptions options;
  options.seed = settings.seed;
  options.lasts = scenario.lasts;
  if (settings.seconds > Duration()) options.lasts = std::min(options.lasts, settings.seconds);
  options.warm_up = settings.warm_up;
  options.grace = settings.grace;
  options.connections_max = static_cast<std::size_t>(settings.connections_max);
  options.send_tenants = settings.send_tenants;
  options.send_bounds = settings.send_bounds;
  options.stop = &stop_asked;
  if (settings.progress) options.progress = ShowProgress;
  CatchSignals();
  LoadRun run(scenario, *bodies, *url, *address, options);
  Result<RunResult> result = run.Run();
  if (settings.progress && isatty(STDERR_FILENO) != 0) std::fputs("\r\x1b[K", stderr);
  return result;
}

}  // namespace

int Load(std::span<const std::string> arguments) {
  Settings settings;
  const std::vector<CommandFlag> flags = Flags(settings);
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  const Result<Scenario> scenario = ReadScenario(line.words[0]);
  if (!scenario.ok()) return Fail(2, scenario.status().message());
  Result<RunResult> result = Play(settings, *scenario);
  if (!result.ok()) return Fail(1, result.status().message());
  result->expectations = CheckExpectations(*scenario, *result);
  std::printf("%s, seed %llu, %.1f s against %s\n\n%s%s", result->scenario.c_str(),
              static_cast<unsigned long long>(result->seed), result->lasts.seconds(),
              result->wall->url.c_str(), RunTables(*result).c_str(),
              GeneratorText(*result, settings.connections_max).c_str());
  if (!settings.json.empty()) {
    const Status status = WriteResultJson(settings.json, RunResultJson(*result));
    if (!status.ok()) return Fail(1, status.message());
  }
  if (settings.expect && !AllHeld(result->expectations)) return 1;
  if (result->all.requests > 0 && result->all.Ended(RunEnd::kReplied) == 0) {
    return Fail(1, "no request was replied");
  }
  return 0;
}

}  // namespace cotenant
