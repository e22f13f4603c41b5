#include "config/command_flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "config/nearest.h"

namespace cotenant {
namespace {

template <typename Number>
bool ReadWhole(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

std::string SecondsText(Duration span) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", span.seconds());
  return text;
}

class Words {
 public:
  Words(std::span<const CommandFlag> flags, std::span<const std::string> arguments)
      : flags_(flags), arguments_(arguments) {}

  Result<CommandWords> Read() {
    for (next_ = 0; next_ < arguments_.size();) {
      const std::string& word = arguments_[next_++];
      if (word == "--help" || word == "-h") found_.help = true;
      if (word.starts_with("-") && word != "-") {
        ReadFlag(word);
      } else {
        found_.words.push_back(word);
      }
    }
    if (found_.help || errors_.empty()) return std::move(found_);
    return InvalidArgument(errors_);
  }

 private:
  void Error(const std::string& text) { errors_ += (errors_.empty() ? "" : "\n") + text; }

  void ReadFlag(const std::string& word) {
    if (word == "--help" || word == "-h") return;
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto flag = std::ranges::find_if(
        flags_, [&](const CommandFlag& known) { return name == "--" + std::string(known.name); });
    if (flag == flags_.end()) {
      std::vector<std::string_view> names;
      for (const CommandFlag& known : flags_) names.push_back(known.name);
      const std::size_t dashes = std::min(name.find_first_not_of('-'), name.size());
      return Error("unknown flag '" + name + "'" +
                   DidYouMean(std::string_view(name).substr(dashes), names, "--"));
    }
    std::string value;
    if (equals != std::string::npos) {
      if (flag->kind == FlagKind::kSwitch) return Error(name + ": takes no value");
      value = word.substr(equals + 1);
    } else if (flag->kind == FlagKind::kBoolean) {
      const bool takes_next = next_ < arguments_.size() && ParseBoolean(arguments_[next_]).ok();
      value = takes_next ? arguments_[next_++] : "true";
    } else if (flag->kind == FlagKind::kValue) {
      if (next_ == arguments_.size()) return Error(name + ": expected a value");
      value = arguments_[next_++];
    }
    const Status status = flag->set(value);
    if (!status.ok()) Error(name + ": " + status.message());
  }

  std::span<const CommandFlag> flags_;
  std::span<const std::string> arguments_;
  std::size_t next_ = 0;
  CommandWords found_;
  std::string errors_;
};

}  // namespace

Result<CommandWords> ReadCommandFlags(std::span<const CommandFlag> flags,
                                      std::span<const std::string> arguments) {
  return Words(flags, arguments).Read();
}

int FailCommand(const CommandUsage& usage, int code, const std::string& message) {
  std::fprintf(stderr, "cotenant %.*s: %s\n", static_cast<int>(usage.name.size()),
               usage.name.data(), message.c_str());
  return code;
}

CommandLine ReadCommandLine(const CommandUsage& usage, std::span<const CommandFlag> flags,
                            std::span<const std::string> arguments) {
  const std::string called = "cotenant " + std::string(usage.name) +
                             (usage.words.empty() ? "" : " ") + std::string(usage.words);
  Result<CommandWords> read = ReadCommandFlags(flags, arguments);
  if (!read.ok()) return {{}, FailCommand(usage, 2, read.status().message())};
  if (read->help) {
    std::printf("%s [flags]\n\n%.*s\n\n%s", called.c_str(), static_cast<int>(usage.purpose.size()),
                usage.purpose.data(), CommandFlagsHelp(flags).c_str());
    return {{}, 0};
  }
  const std::size_t count = read->words.size();
  if (count < usage.words_min || count > usage.words_max) {
    return {{}, FailCommand(usage, 2, "give " + std::string(usage.wanted) + ": " + called)};
  }
  return {std::move(read->words), std::nullopt};
}

std::string CommandFlagsHelp(std::span<const CommandFlag> flags) {
  constexpr std::size_t kColumn = 28;
  std::string text;
  for (const CommandFlag& flag : flags) {
    std::string line = "  --" + std::string(flag.name);
    if (!flag.value.empty()) line += "=" + std::string(flag.value);
    if (line.size() + 1 > kColumn) {
      text += line + "\n";
      line.clear();
    }
    line.resize(kColumn, ' ');
    text += line + std::string(flag.help) + "\n";
  }
  return text;
}

std::function<Status(const std::string&)> SetsNumber(std::int64_t& number, std::int64_t low,
                                                     std::int64_t high) {
  return [&number, low, high](const std::string& text) -> Status {
    std::int64_t value = 0;
    if (!ReadWhole(text, value) || value < low || value > high) {
      return InvalidArgument("expected a whole number from " + std::to_string(low) + " to " +
                             std::to_string(high) + ", got '" + text + "'");
    }
    number = value;
    return {};
  };
}

std::function<Status(const std::string&)> SetsSeed(std::uint64_t& seed) {
  return [&seed](const std::string& text) -> Status {
    std::uint64_t value = 0;
    if (!ReadWhole(text, value)) {
      return InvalidArgument("expected a whole number from 0 to 2^64 - 1, got '" + text + "'");
    }
    seed = value;
    return {};
  };
}

std::function<Status(const std::string&)> SetsSeconds(Duration& span, Duration low, Duration high) {
  return [&span, low, high](const std::string& text) -> Status {
    double value = 0;
    const bool read = ReadWhole(text, value) && std::isfinite(value) && std::fabs(value) < 1e9;
    const Duration given =
        Duration::Nanoseconds(read ? static_cast<std::int64_t>(std::llround(value * 1e9)) : 0);
    if (!read || given < low || given > high) {
      return InvalidArgument("expected seconds from " + SecondsText(low) + " to " +
                             SecondsText(high) + ", got '" + text + "'");
    }
    span = given;
    return {};
  };
}

std::function<Status(const std::string&)> SetsText(std::string& text) {
  return [&text](const std::string& value) -> Status {
    if (value.empty()) return InvalidArgument("expected a value");
    text = value;
    return {};
  };
}

std::function<Status(const std::string&)> SetsSwitch(bool& option, bool value) {
  return [&option, value](const std::string& text) -> Status {
    if (text.empty()) {
      option = value;
      return {};
    }
    const Result<bool> wanted = ParseBoolean(text);
    if (!wanted.ok()) return wanted.status();
    option = *wanted == value;
    return {};
  };
}

}  // namespace cotenant
