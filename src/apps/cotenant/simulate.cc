#include "apps/cotenant/simulate.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

#include "apps/cotenant/replay_log.h"
#include "apps/cotenant/result_json.h"
#include "apps/cotenant/run_report.h"
#include "apps/cotenant/seed_results.h"
#include "apps/cotenant/usable_cpus.h"
#include "config/command_flags.h"
#include "config/run_result_file.h"
#include "config/scenario_file.h"
#include "policy/policy_table.h"
#include "scheduler/event_log.h"
#include "simulation/expectations.h"
#include "simulation/simulator.h"

namespace cotenant {
namespace {

/// Bytes of a log that are kept in memory until they are written.
constexpr std::size_t kLogBufferMax = std::size_t{1} << 20;

struct Settings {
  std::uint64_t seed = 1;
  std::optional<SeedRange> seeds;
  std::vector<std::string> policies;
  Duration seconds;
  std::int64_t requests_max = 0;
  std::int64_t threads = 0;
  std::string replay;
  std::string record;
  std::string json;
};

/// "A..B".
Status SetSeeds(const std::string& text, std::optional<SeedRange>& seeds) {
  const std::size_t dots = text.find("..");
  SeedRange range;
  const Status expected = InvalidArgument("expected two seeds, as in 1..1000");
  if (dots == std::string::npos) return expected;
  COTENANT_RETURN_IF_ERROR(SetsSeed(range.first)(text.substr(0, dots)));
  COTENANT_RETURN_IF_ERROR(SetsSeed(range.last)(text.substr(dots + 2)));
  if (range.last < range.first) return expected;
  seeds = range;
  return Status();
}

std::vector<CommandFlag> Flags(Settings& s) {
  using enum FlagKind;
  const auto add_policy = [&s](const std::string& text) {
    s.policies.push_back(text);
    return Status();
  };
  return {
      {"seed", kValue, "N", "of arrivals, run times and faults (1)", SetsSeed(s.seed)},
      {"seeds", kValue, "A..B", "play every seed, in parallel; say which ones break a rule",
       [&s](const std::string& text) { return SetSeeds(text, s.seeds); }},
      {"policy", kValue, "KIND=NAME",
       "instead of the scenario's, as in dispatch=edf (repeatable; cotenant policies lists all)",
       add_policy},
      {"seconds", kValue, "S", "only the first S seconds of the scenario's load",
       SetsSeconds(s.seconds, Duration::Milliseconds(1), Duration::Seconds(100'000'000))},
      {"requests-max", kValue, "N", "arrivals end after so many (no limit)",
       SetsNumber(s.requests_max, 1, std::int64_t{1} << 53)},
      {"threads", kValue, "N", "of --seeds (one for each CPU)", SetsNumber(s.threads, 1, 1024)},
      {"replay", kValue, "LOG", "instead of a scenario: does a recorded log replay?",
       SetsText(s.replay)},
      {"record", kValue, "LOG", "write the event log of the run", SetsText(s.record)},
      {"json", kValue, "FILE", "write the result (docs/results.md)", SetsText(s.json)},
  };
}

constexpr CommandUsage kUsage = {
    "simulate",
    "SCENARIO | --replay LOG",
    "one scenario",
    0,
    1,
    "Plays a scenario in virtual time with the live server's scheduler. Exit status 1: a rule was\n"
    "broken, an expectation did not hold, or a log did not replay."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

Status UsePolicies(const std::vector<std::string>& choices, PolicyChoice& policies) {
  for (const std::string& choice : choices) {
    const std::size_t equals = choice.find('=');
    const std::string kind = choice.substr(0, equals);
    std::string* const which = kind == "dispatch"     ? &policies.dispatch
                               : kind == "batching"   ? &policies.batching
                               : kind == "admission"  ? &policies.admission
                               : kind == "residency"  ? &policies.residency
                               : kind == "prediction" ? &policies.prediction
                                                      : nullptr;
    if (which == nullptr || equals == std::string::npos) {
      return InvalidArgument("--policy=" + choice +
                             ": expected dispatch=NAME, batching=NAME, admission=NAME, "
                             "residency=NAME or prediction=NAME");
    }
    *which = choice.substr(equals + 1);
  }
  return CheckPolicies(policies);
}

/// What this thread plays, for the message when an invariant of the brain's own ends the program.
thread_local std::uint64_t playing_seed = 0;

void SayTheSeed(int) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "BROKEN by seed %" PRIu64 "\n", playing_seed);
  if (write(STDERR_FILENO, text, static_cast<std::size_t>(size)) < 0) _exit(1);
}

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Writes the event log of a simulated run. A file that cannot be written says so at the end.
class LogFile {
 public:
  LogFile(const std::string& path, Simulator& simulator)
      : file_(path, std::ios::binary | std::ios::trunc) {
    EventLogWriter::AppendHead(buffer_);
    writer_.AppendSnapshot(simulator.scheduler(), 0, buffer_);
    simulator.Observe(
        [this, &simulator](Instant now, std::span<const Event> events, const ActionList& actions) {
          for (const Event& event : events) {
            const auto* load = std::get_if<LoadWanted>(&event);
            if (load == nullptr) continue;
            writer_.AppendModelName(load->model, simulator.NameOf(load->model), buffer_);
          }
          writer_.AppendCrank(now, events, actions, buffer_);
          if (buffer_.size() >= kLogBufferMax) Flush();
        });
  }
  Status Close(const std::string& path) {
    Flush();
    file_.close();
    return file_ ? Status() : Unavailable("cannot write the event log " + path);
  }

 private:
  void Flush() {
    file_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
  }

  std::ofstream file_;
  EventLogWriter writer_;
  std::string buffer_;
};

SimulatorOptions OptionsOf(const Settings& settings, std::uint64_t seed) {
  playing_seed = seed;
  SimulatorOptions options;
  options.seed = seed;
  options.requests_max = static_cast<std::uint64_t>(settings.requests_max);
  return options;
}

int PlayOne(const Settings& settings, const Scenario& scenario) {
  Simulator simulator(scenario, OptionsOf(settings, settings.seed));
  std::optional<LogFile> log;
  if (!settings.record.empty()) log.emplace(settings.record, simulator);
  const double before = CpuSeconds();
  SimulationReport report = simulator.Run();
  const double took = CpuSeconds() - before;
  if (log) {
    if (Status status = log->Close(settings.record); !status.ok()) {
      return Fail(1, status.message());
    }
  }
  RunResult& result = report.result;
  result.expectations = CheckExpectations(scenario, result);
  const PolicyChoice& policies = scenario.node.policies;
  std::printf("%s, seed %" PRIu64
              ", %.1f s in %.3f s of CPU, dispatch %s, batching %s, "
              "admission %s\n\n%s",
              result.scenario.c_str(), result.seed, result.lasts.seconds(), took,
              policies.dispatch.c_str(), policies.batching.c_str(), policies.admission.c_str(),
              RunTables(result).c_str());
  std::printf("%" PRIu64 " cranks, %" PRIu64 " runs (%" PRIu64 " of several requests, %" PRIu64
              " inline), digest %s\n",
              result.simulated->cranks, result.simulated->runs, result.simulated->batched,
              result.simulated->inline_runs, DigestText(result.simulated->digest).c_str());
  for (const std::string& violation : report.violations) {
    std::printf("BROKEN %s\n", violation.c_str());
  }
  if (!settings.json.empty()) {
    const Status status = WriteResultJson(settings.json, RunResultJson(result));
    if (!status.ok()) return Fail(1, status.message());
  }
  return report.violations.empty() && AllHeld(result.expectations) ? 0 : 1;
}

int PlaySeeds(const Settings& settings, const Scenario& scenario) {
  SeedResults results(scenario, *settings.seeds);
  std::atomic<std::uint64_t> next = settings.seeds->first;
  const auto work = [&] {
    for (std::uint64_t seed = next++; seed <= settings.seeds->last; seed = next++) {
      Simulator simulator(scenario, OptionsOf(settings, seed));
      const double before = CpuSeconds();
      const SimulationReport report = simulator.Run();
      results.Add(seed, report, CpuSeconds() - before);
    }
  };
  const std::int64_t wished = settings.threads > 0 ? settings.threads : UsableCpus();
  std::vector<std::thread> others;
  for (std::int64_t i = 1; i < wished; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  std::fputs(results.Text().c_str(), stdout);
  if (!settings.json.empty()) {
    const Status status = WriteResultJson(settings.json, results.Json());
    if (!status.ok()) return Fail(1, status.message());
  }
  return results.broken() ? 1 : 0;
}

}  // namespace

int Simulate(std::span<const std::string> arguments) {
  Settings settings;
  const std::vector<CommandFlag> flags = Flags(settings);
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  if (!settings.replay.empty()) {
    if (!line.words.empty()) return Fail(2, "give a scenario or --replay, not both");
    return ReplayLog(settings.replay, settings.json);
  }
  if (line.words.empty()) return Fail(2, "give one scenario: cotenant simulate SCENARIO");
  Result<Scenario> scenario = ReadScenario(line.words[0]);
  if (!scenario.ok()) return Fail(2, scenario.status().message());
  const Status chosen = UsePolicies(settings.policies, scenario->node.policies);
  if (!chosen.ok()) return Fail(2, chosen.message());
  if (settings.seconds > Duration()) {
    scenario->lasts = std::min(scenario->lasts, settings.seconds);
  }
  std::signal(SIGABRT, SayTheSeed);
  if (!settings.seeds) return PlayOne(settings, *scenario);
  if (!settings.record.empty()) return Fail(2, "--record takes one seed, not --seeds");
  return PlaySeeds(settings, *scenario);
}

}  // namespace cotenant
