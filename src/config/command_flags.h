#pragma once

/// The flags of a command: each a name, what it takes, a line of help and what it sets. Unknown
/// flags are answered with the nearest known one, and every mistake is reported at once.
///
/// `serve` has a table of its own (flag_table.h), because its flags are also keys of a file.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/flag_table.h"

namespace cotenant {

struct CommandFlag {
  std::string_view name;
  FlagKind kind;
  std::string_view value;  ///< As the help shows it: "N"; empty for switches.
  std::string_view help;
  /// The status says what was expected. Switches get "".
  std::function<Status(const std::string&)> set;
};

struct CommandWords {
  bool help = false;               ///< --help or -h was given: nothing else was checked.
  std::vector<std::string> words;  ///< All that is no flag, in order.
};

/// InvalidArgument with one line for each mistake.
Result<CommandWords> ReadCommandFlags(std::span<const CommandFlag> flags,
                                      std::span<const std::string> arguments);

/// How a command is called, for its help and for whoever calls it wrongly.
struct CommandUsage {
  std::string_view name;    ///< "load"
  std::string_view words;   ///< What stands behind it, but for flags: "SCENARIO".
  std::string_view wanted;  ///< In a sentence: "one scenario".
  std::size_t words_min = 1;
  std::size_t words_max = 1;
  std::string_view purpose;  ///< A paragraph.
};

struct CommandLine {
  std::vector<std::string> words;
  /// The command is over: its help was printed (0), or its mistakes were (2).
  std::optional<int> exit;
};
CommandLine ReadCommandLine(const CommandUsage& usage, std::span<const CommandFlag> flags,
                            std::span<const std::string> arguments);

/// Says "cotenant NAME: message" on the standard error output, and gives `code` back.
int FailCommand(const CommandUsage& usage, int code, const std::string& message);

/// "  --name=VALUE   help", a line for each flag.
std::string CommandFlagsHelp(std::span<const CommandFlag> flags);

// What `set` is made of. Limits are inclusive.
std::function<Status(const std::string&)> SetsNumber(std::int64_t& number, std::int64_t low,
                                                     std::int64_t high);
std::function<Status(const std::string&)> SetsSeed(std::uint64_t& seed);
/// Seconds, also with a fraction: "2.5".
std::function<Status(const std::string&)> SetsSeconds(Duration& span, Duration low, Duration high);
std::function<Status(const std::string&)> SetsText(std::string& text);
std::function<Status(const std::string&)> SetsSwitch(bool& option, bool value = true);

}  // namespace cotenant
