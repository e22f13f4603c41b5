#include "apps/cotenant/explain.h"

#include <charconv>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

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

struct Settings {
  std::string log;
  std::optional<std::uint64_t> request;
  std::string json;
};

/// What the log called models and tenants when it was last asked. They are few, and seldom change.
class LogNames {
 public:
  void Use(const ReplayedCrank& crank) {
    const std::vector<Tenant>& tenants = crank.scheduler.Settings().node.tenants;
    if (models_ != crank.model_names) {
      models_ = crank.model_names;
    }
    tenants_.resize(tenants.size());
    for (std::size_t i = 0; i < tenants.size(); ++i) tenants_[i] = tenants[i].name;
  }
  /// Valid as long as this.
  DecisionNames ForDecisions() const {
    return {
        [this](ModelId model) {
          const auto name = models_.find(model);
          return name == models_.end() ? "model " + std::to_string(ToIndex(model)) : name->second;
        },
        [this](TenantId tenant) {
          return ToIndex(tenant) < tenants_.size() ? tenants_[ToIndex(tenant)]
                                                   : "tenant " + std::to_string(ToIndex(tenant));
        }};
  }

 private:
  std::map<ModelId, std::string> models_;
  std::vector<std::string> tenants_;
};

double Milliseconds(Duration span) { return static_cast<double>(span.nanoseconds()) * 1e-6; }

Json JsonOf(const StoryLine& line, const DecisionNames& names) {
  Json json = {{"after_ms", Milliseconds(line.after)}, {"text", line.text}};
  if (!line.decision) return json;
  VisitFields(*line.decision, names, [&json](const DecisionField& field) {
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

std::string JsonOf(const Settings& settings, const Story& story, const DecisionNames& names) {
  Json lines = Json::array();
  for (const StoryLine& line : story.lines()) lines.push_back(JsonOf(line, names));
  const Json json = {{"command", "explain"},
                     {"log", settings.log},
                     {"request", *settings.request},
                     {"story", std::move(lines)}};
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

constexpr CommandUsage kUsage = {
    "explain",
    "LOG --request=N",
    "one event log and a request's number",
    1,
    1,
    "One request's life, from a log that `cotenant serve --record` wrote."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

int Tell(const Settings& settings) {
  const Result<std::string> log = ReadFile(settings.log, kLogBytesMax);
  if (!log.ok()) return Fail(2, log.status().message());
  LogNames names;
  Story story(RequestId{*settings.request}, names.ForDecisions());
  const Result<ReplayResult> result = Replay(*log, [&](const ReplayedCrank& crank) {
    names.Use(crank);
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
      WriteTextFile(settings.json, JsonOf(settings, story, names.ForDecisions()));
  return written.ok() ? 0 : Fail(1, written.message());
}

}  // namespace

int Explain(std::span<const std::string> arguments) {
  Settings settings;
  const CommandFlag flags[] = {
      {"request", FlagKind::kValue, "N",
       "the request's number, as /cotenant/v1/decisions prints it", SetsRequest(settings.request)},
      {"json", FlagKind::kValue, "FILE", "write the story as JSON", SetsText(settings.json)}};
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  if (!settings.request) return Fail(2, "expected --request=N, see --help");
  settings.log = line.words[0];
  return Tell(settings);
}

}  // namespace cotenant
