/// The program: which command was asked for. Each command lies in a file of its own.

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cotenant/compare.h"
#include "apps/cotenant/explain.h"
#include "apps/cotenant/fit.h"
#include "apps/cotenant/load.h"
#include "apps/cotenant/measure_network.h"
#include "apps/cotenant/policies.h"
#include "apps/cotenant/prepare.h"
#include "apps/cotenant/profile.h"
#include "apps/cotenant/reproduce.h"
#include "apps/cotenant/serve.h"
#include "apps/cotenant/simulate.h"
#include "apps/cotenant/trace.h"
#include "config/nearest.h"
#include "config/options.h"

namespace cotenant {
namespace {

struct Command {
  std::string_view name;
  std::string_view arguments;
  std::string_view line;  ///< Empty: not for people.
  /// What follows the name → the exit status.
  int (*run)(std::span<const std::string> arguments);
};

constexpr Command kCommands[] = {
    {"serve", "MODELS_DIR", "serve a directory of models (laid out as for Triton)",
     [](std::span<const std::string> arguments) { return Serve(Program::kCotenant, arguments); }},
    {"profile", "MODELS_DIR", "measure the models, and the node itself, on this machine", Profile},
    {"fit", "MODELS_DIR", "what fits into how much memory, and how many cold starts it costs", Fit},
    {"prepare", "MODELS_DIR", "forms that load faster or take less memory, into a cache", Prepare},
    {"load", "SCENARIO", "play a scenario's load against a server", Load},
    {"compare", "RUN_A RUN_B", "two result files side by side", Compare},
    {"policies", "", "every policy: what it does, what it declares", Policies},
    {"explain", "LOG --request=ID", "one request's life, told from a recorded log", Explain},
    {"reproduce", "edge-multiai", "a paper's experiments, every policy beside its figures",
     Reproduce},
    {"trace", "LOG", "a recorded log's arrivals, to play under other policies", Trace},
    {"simulate", "SCENARIO", "play a scenario in virtual time, or replay a recorded log", Simulate},
    {"measure-network", "", "", MeasureNetwork},
};

std::string Usage() {
  std::string text = "cotenant: many neural networks on one small box\n\n";
  for (const Command& command : kCommands) {
    if (command.line.empty()) continue;
    std::string start = "  cotenant " + std::string(command.name) + " ";
    start += std::string(command.arguments) + " [flags]";
    start.resize(std::max<std::size_t>(start.size() + 2, 48), ' ');
    text += start + std::string(command.line) + "\n";
  }
  text +=
      "\n  cotenant COMMAND --help    all flags of a command\n"
      "  cotenant --version\n"
      "\n"
      "Started under the name tritonserver it takes Triton's flags without a subcommand.\n";
  return text;
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    std::fputs(Usage().c_str(), arguments.empty() ? stderr : stdout);
    return arguments.empty() ? 2 : 0;
  }
  if (arguments[0] == "--version") {
    std::puts(VersionLine().c_str());
    return 0;
  }
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    if (command.name == arguments[0]) return command.run(std::span(arguments).subspan(1));
    if (!command.line.empty()) names.push_back(command.name);
  }
  std::fprintf(stderr, "cotenant: unknown command '%s'%s\n\n%s", arguments[0].c_str(),
               DidYouMean(arguments[0], names).c_str(), Usage().c_str());
  return 2;
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const cotenant::Program program = cotenant::ProgramOf(argv[0]);
  if (program == cotenant::Program::kTritonserver) return cotenant::Serve(program, arguments);
  return cotenant::Run(arguments);
}
