#pragma once

/// The flags of a command: each a name, what it takes, a line of help and what it sets. Unknown
/// flags are answered with the nearest known one, and every mistake is reported at once.
///
/// `serve` has a table of its own (flag_table.h), because its flags are also keys of a file.

#include <cstdint>
#include <functional>
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
