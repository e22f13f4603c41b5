#include "apps/cotenant/reproduce.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <filesystem>

#include "apps/cotenant/edge_multiai.h"
#include "apps/cotenant/live_comparison.h"
#include "apps/cotenant/result_json.h"
#include "apps/cotenant/usable_cpus.h"
#include "config/command_flags.h"

namespace cotenant {
namespace {

int Fail(int code, const std::string& message) {
  std::fprintf(stderr, "cotenant reproduce: %s\n", message.c_str());
  return code;
}

Status SetSeeds(const std::string& text, SweepSeeds& seeds) {
  const std::size_t dots = text.find("..");
  const Status expected = InvalidArgument("expected two seeds, as in 1001..1100");
  if (dots == std::string::npos) return expected;
  COTENANT_RETURN_IF_ERROR(SetsSeed(seeds.first)(text.substr(0, dots)));
  COTENANT_RETURN_IF_ERROR(SetsSeed(seeds.last)(text.substr(dots + 2)));
  return seeds.last < seeds.first || seeds.last - seeds.first >= 10'000 ? expected : Status();
}

}  // namespace

int Reproduce(std::span<const std::string> arguments) {
  SweepSeeds seeds;
  seeds.threads = UsableCpus();
  std::string json;
  std::string plots;
  bool tuning = false;
  bool is_live = false;
  LiveOptions live;
  live.progress = isatty(STDERR_FILENO) != 0;
  const Duration hour = Duration::Seconds(3600);
  const CommandFlag flags[] = {
      {"seeds", FlagKind::kValue, "A..B", "of the drawn requests (1001..1020)",
       [&seeds](const std::string& text) { return SetSeeds(text, seeds); }},
      {"tuning", FlagKind::kSwitch, "",
       "the grid on the loads that our policy was tuned on, instead of those it is judged by",
       SetsSwitch(tuning)},
      {"threads", FlagKind::kValue, "N", "one for each CPU", SetsNumber(seeds.threads, 1, 1024)},
      {"plots", FlagKind::kValue, "DIR", "draw the sweeps there, as SVG files", SetsText(plots)},
      {"live", FlagKind::kSwitch, "",
       "real networks and servers under a real memory limit, with the simulated run beside",
       SetsSwitch(is_live)},
      {"models", FlagKind::kValue, "DIR", "live: the repository of the networks",
       SetsText(live.models)},
      {"cache-dir", FlagKind::kValue, "DIR",
       "live: prepared networks (cotenant prepare DIR); without: as shipped",
       SetsText(live.cache_dir)},
      {"data", FlagKind::kValue, "DIR",
       "live: samples of each network, as cotenant prepare takes; without: random inputs",
       SetsText(live.data)},
      {"seconds", FlagKind::kValue, "S", "live: of load, over all policies (180)",
       SetsSeconds(live.lasts, Duration::Seconds(4), hour)},
      {"minutes", FlagKind::kValue, "N", "live: the same in minutes",
       [&live](const std::string& text) {
         std::int64_t minutes = 0;
         const Status status = SetsNumber(minutes, 1, 60)(text);
         live.lasts = Duration::Seconds(60) * minutes;
         return status;
       }},
      {"tenants", FlagKind::kValue, "N",
       "live: at least so many; networks have several where there are fewer (10)",
       SetsNumber(live.tenants, 1, 64)},
      {"budget", FlagKind::kValue, "PERCENT",
       "live: room for models, of the sum of their best variants (40)",
       SetsNumber(live.budget, 5, 200)},
      {"interval", FlagKind::kValue, "S",
       "live: mean seconds between requests of the tenant that asks most (1)",
       SetsSeconds(live.shortest, Duration::Milliseconds(10), hour)},
      {"progress", FlagKind::kSwitch, "", "live: show progress also without a terminal",
       SetsSwitch(live.progress)},
      {"json", FlagKind::kValue, "FILE", "write every point as JSON", SetsText(json)},
  };
  const Result<CommandWords> words = ReadCommandFlags(flags, arguments);
  if (!words.ok()) return Fail(2, words.status().message());
  if (words->help) {
    std::printf(
        "cotenant reproduce edge-multiai [flags]\n\nPlays the sweeps of Edge-MultiAI, and a grid "
        "of "
        "budgets, zoos and loads, in virtual\ntime under every residency policy.\n\n%s",
        CommandFlagsHelp(flags).c_str());
    return 0;
  }
  if (words->words.size() != 1 || words->words[0] != "edge-multiai") {
    return Fail(2, "what is to be reproduced? There is: edge-multiai");
  }
  if (is_live) {
    if (live.models.empty()) return Fail(2, "--live needs --models=DIR");
    if (std::error_code error;
        !live.data.empty() && !std::filesystem::is_directory(live.data, error)) {
      return Fail(2, "--data: '" + live.data + "' is no folder");
    }
    live.seed = seeds.first;
    live.json = json;
    return CompareLive(live);
  }
  std::printf("Seeds %" PRIu64 " to %" PRIu64 ", in virtual time.\n\n", seeds.first, seeds.last);
  const Result<std::string> sweeps = PlayPaperSweeps(seeds, plots);
  if (!sweeps.ok()) return Fail(1, sweeps.status().message());
  const std::string grid = PlayResidencyGrid(seeds, tuning);
  if (json.empty()) return 0;
  const std::string document = "{\"sweeps\": " + *sweeps + ",\n \"grid\": " + grid + "}\n";
  const Status status = WriteResultJson(json, document);
  return status.ok() ? 0 : Fail(1, status.message());
}

}  // namespace cotenant
