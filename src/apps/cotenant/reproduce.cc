#include "apps/cotenant/reproduce.h"

#include <cinttypes>
#include <cstdio>

#include "apps/cotenant/edge_multiai.h"
#include "apps/cotenant/usable_cpus.h"
#include "config/command_flags.h"
#include "config/run_result_file.h"

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
  bool tuning = false;
  const CommandFlag flags[] = {
      {"seeds", FlagKind::kValue, "A..B", "of the drawn requests (1001..1020)",
       [&seeds](const std::string& text) { return SetSeeds(text, seeds); }},
      {"tuning", FlagKind::kSwitch, "",
       "the grid on the loads that our policy was tuned on, instead of those it is judged by",
       SetsSwitch(tuning)},
      {"threads", FlagKind::kValue, "N", "one for each CPU", SetsNumber(seeds.threads, 1, 1024)},
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
  std::printf("Seeds %" PRIu64 " to %" PRIu64 ", in virtual time.\n\n", seeds.first, seeds.last);
  const std::string sweeps = PlayPaperSweeps(seeds);
  const std::string grid = PlayResidencyGrid(seeds, tuning);
  if (json.empty()) return 0;
  const std::string document = "{\"sweeps\": " + sweeps + ",\n \"grid\": " + grid + "}\n";
  const Status status = WriteTextFile(json, document);
  return status.ok() ? 0 : Fail(1, status.message());
}

}  // namespace cotenant
