/// The program: which command was asked for. Each command lies in a file of its own.

#include <cstdio>
#include <string>
#include <vector>

#include "apps/cotenant/serve.h"
#include "config/options.h"

namespace {

constexpr const char* kUsage =
    "cotenant: many neural networks on one small box\n"
    "\n"
    "  cotenant serve MODELS_DIR [flags]   serve a directory of models (laid out as for Triton)\n"
    "  cotenant serve --help               all flags\n"
    "  cotenant --version\n"
    "\n"
    "Started under the name tritonserver it takes Triton's flags without a subcommand.\n";

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const cotenant::Program program = cotenant::ProgramOf(argv[0]);
  if (program == cotenant::Program::kTritonserver) return cotenant::Serve(program, arguments);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    std::fputs(kUsage, arguments.empty() ? stderr : stdout);
    return arguments.empty() ? 2 : 0;
  }
  if (arguments[0] == "--version") {
    std::puts(cotenant::VersionLine().c_str());
    return 0;
  }
  if (arguments[0] != "serve") {
    std::fprintf(stderr, "cotenant: unknown command '%s'\n\n%s", arguments[0].c_str(), kUsage);
    return 2;
  }
  arguments.erase(arguments.begin());
  return cotenant::Serve(program, arguments);
}
