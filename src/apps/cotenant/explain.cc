#include "apps/cotenant/explain.h"

#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/command_flags.h"
#include "config/model_conversion.h"
#include "config/run_result_file.h"
#include "simulation/replay.h"
#include "simulation/story.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

/// Logs are read whole. Raise it for longer ones.
constexpr std::int64_t kLogBytesMax = std::int64_t{8} << 30;

double Milliseconds(Duration span) { return static_cast<double>(span.nanoseconds()) * 1e-6; }

Json JsonOf(const StoryLine& line) {
  Json json = {{"after_ms", Milliseconds(line.after)}, {"text", line.text}};
  if (!line.decision) return json;
  VisitFields(*line.decision, {}, [&json](const DecisionField& field) {
    const std::string name(field.name);
    if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      json[name] = *number;
    } else if (const auto* span = std::get_if<Duration>(&field.value)) {
      json[name] = Milliseconds(*span);
    } else if (const auto* truth = std::get_if<bool>(&field.value)) {
      json[name] = *truth;
    } else {
      json[name] = std::get<std::string_view>(field.value);
    }
  });
  return json;
}

std::string JsonOf(const std::string& log, std::uint64_t request, const Story& story) {
  Json lines = Json::array();
  for (const StoryLine& line : story.lines()) lines.push_back(JsonOf(line));
  const Json json = {
      {"command", "explain"}, {"log", log}, {"request", request}, {"story", std::move(lines)}};
  return json.dump(2) + "\n";
}

std::function<Status(const std::string&)> SetsRequest(std::optional<std::uint64_t>& request) {
  return [&request](const std::string& text) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end) {
      return InvalidArgument(
          "expected a request's number, as /cotenant/v1/decisions prints it (the log holds no ids "
          "of clients), got '" +
          text + "'");
    }
    request = number;
    return Status();
  };
}

struct Settings {
  std::string log;
  std::optional<std::uint64_t> request;
  std::string json;
};

int Fail(int code, const std::string& message) {
  std::fprintf(stderr, "cotenant explain: %s\n", message.c_str());
  return code;
}

int Tell(const Settings& settings) {
  const Result<std::string> log = ReadFile(settings.log, kLogBytesMax);
  if (!log.ok()) return Fail(2, log.status().message());
  Story story(RequestId{*settings.request});
  const Result<ReplayResult> result = Replay(*log, [&story](const ReplayedCrank& crank) {
    story.Crank(crank.now, crank.events, crank.actions);
  });
  if (!result.ok()) return Fail(2, settings.log + ": " + result.status().message());
  if (!result->equal()) {
    std::fprintf(stderr,
                 "cotenant explain: this build decides otherwise than the one that wrote the log, "
                 "from crank %llu on: see cotenant simulate --replay\n",
                 static_cast<unsigned long long>(result->difference->crank));
  }
  if (!story.found()) {
    return Fail(
        1, "request " + std::to_string(*settings.request) + " does not arrive in " + settings.log);
  }
  std::printf("request %llu, times since its arrival:\n",
              static_cast<unsigned long long>(*settings.request));
  for (const StoryLine& line : story.lines()) {
    std::printf("%12.3f ms  %s\n", Milliseconds(line.after), line.text.c_str());
  }
  if (settings.json.empty()) return 0;
  const Status written =
      WriteTextFile(settings.json, JsonOf(settings.log, *settings.request, story));
  return written.ok() ? 0 : Fail(1, written.message());
}

}  // namespace

int Explain(std::span<const std::string> arguments) {
  Settings settings;
  const CommandFlag flags[] = {
      {"request", FlagKind::kValue, "N",
       "the request's number, as /cotenant/v1/decisions prints it", SetsRequest(settings.request)},
      {"json", FlagKind::kValue, "FILE", "write the story as JSON", SetsText(settings.json)}};
  const Result<CommandWords> words = ReadCommandFlags(flags, arguments);
  if (!words.ok()) return Fail(2, words.status().message());
  if (words->help) {
    std::printf(
        "cotenant explain LOG --request=N\n\nOne request's life, from a log that "
        "`cotenant serve --record` wrote.\n\n%s",
        CommandFlagsHelp(flags).c_str());
    return 0;
  }
  if (words->words.size() != 1) return Fail(2, "expected one event log, see --help");
  if (!settings.request) return Fail(2, "expected --request=N, see --help");
  settings.log = words->words[0];
  return Tell(settings);
}

}  // namespace cotenant
