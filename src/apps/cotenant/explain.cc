#include "apps/cotenant/explain.h"

#include <charconv>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "apps/cotenant/result_json.h"
#include "config/command_flags.h"
#include "config/model_conversion.h"
#include "scheduler/event_log.h"
#include "simulation/replay.h"
#include "simulation/story.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

/// Logs are read whole. Raise it for longer ones.
constexpr std::int64_t kLogBytesMax = std::int64_t{8} << 30;

struct Settings {
  std::string log;
  std::string request;  ///< As asked for: our number, or the client's own id.
  std::string json;
};

/// A request that the user may mean.
struct Found {
  RequestId request{};
  Duration after;  ///< Of its arrival, since the log's first crank.
  std::string model;
};
/// The others are counted.
constexpr std::size_t kListedMax = 100;

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

Json JsonOf(const Settings& settings) {
  return {{"command", "explain"}, {"log", settings.log}, {"asked", settings.request}};
}

Json JsonOf(const Settings& settings, const Found& found, const Story& story,
            const DecisionNames& names) {
  Json lines = Json::array();
  for (const StoryLine& line : story.lines()) lines.push_back(JsonOf(line, names));
  Json json = JsonOf(settings);
  json["request"] = ToIndex(found.request);
  json["story"] = std::move(lines);
  return json;
}

Json JsonOf(const Settings& settings, const std::vector<Found>& several) {
  Json json = JsonOf(settings);
  Json& rows = json["requests"] = Json::array();
  for (const Found& found : several) {
    rows.push_back({{"request", ToIndex(found.request)},
                    {"after_ms", Milliseconds(found.after)},
                    {"model", found.model}});
  }
  return json;
}

constexpr CommandUsage kUsage = {
    "explain",
    "LOG --request=ID",
    "one event log and a request's id",
    1,
    1,
    "One request's life, from a log that `cotenant serve --record` wrote."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

std::optional<RequestId> NumberOf(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return RequestId{number};
}

/// All that have this number, or whose clients gave them this id.
Result<std::vector<Found>> Find(std::string_view log, const std::string& asked) {
  Result<EventLogReader> reader = EventLogReader::Open(log);
  COTENANT_RETURN_IF_ERROR(reader.status());
  const std::optional<RequestId> number = NumberOf(asked);
  const std::uint64_t hash = ClientIdHash(asked);
  std::map<ModelId, std::string> models;
  std::optional<Instant> first;
  std::vector<Found> found;
  LogRecord record;
  for (;;) {
    const Result<bool> more = reader->Next(record);
    COTENANT_RETURN_IF_ERROR(more.status());
    if (!*more) return found;
    if (record.kind == LogRecord::Kind::kModelName) models[record.model] = record.model_name;
    if (record.kind != LogRecord::Kind::kCrank) continue;
    if (!first) first = record.now;
    for (const Event& event : record.events) {
      const auto* const arrived = std::get_if<Arrived>(&event);
      if (arrived == nullptr) continue;
      if (arrived->request != number && arrived->client_id != hash) continue;
      const auto name = models.find(arrived->model);
      found.push_back({arrived->request, record.now - *first,
                       name == models.end() ? "model " + std::to_string(ToIndex(arrived->model))
                                            : name->second});
    }
  }
}

int Write(const Settings& settings, const Json& json) {
  if (settings.json.empty()) return 0;
  const Status written =
      WriteResultJson(settings.json, json.dump(2, ' ', false, Json::error_handler_t::replace));
  return written.ok() ? 0 : Fail(1, written.message());
}

int List(const Settings& settings, const std::vector<Found>& several) {
  std::printf("%zu requests have the id '%s'; --request takes one's number:\n", several.size(),
              settings.request.c_str());
  for (const Found& found : std::span(several).first(std::min(several.size(), kListedMax))) {
    std::printf("%20llu  after %.3f ms, for %s\n",
                static_cast<unsigned long long>(ToIndex(found.request)), Milliseconds(found.after),
                found.model.c_str());
  }
  if (several.size() > kListedMax) std::printf("and %zu more\n", several.size() - kListedMax);
  return Write(settings, JsonOf(settings, several));
}

int Tell(const Settings& settings) {
  const Result<std::string> log = ReadFile(settings.log, kLogBytesMax);
  if (!log.ok()) return Fail(2, log.status().message());
  const Result<std::vector<Found>> asked = Find(*log, settings.request);
  if (!asked.ok()) return Fail(2, settings.log + ": " + asked.status().message());
  if (asked->empty()) {
    return Fail(1, "request " + settings.request + " does not arrive in " + settings.log);
  }
  if (asked->size() > 1) return List(settings, *asked);
  const Found& found = asked->front();
  LogNames names;
  Story story(found.request, names.ForDecisions());
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
    return Fail(1, "request " + settings.request + " arrives after what could be replayed");
  }
  std::printf("request %llu, times since its arrival:\n",
              static_cast<unsigned long long>(ToIndex(found.request)));
  for (const StoryLine& line : story.lines()) {
    std::printf("%12.3f ms  %s\n", Milliseconds(line.after), line.text.c_str());
  }
  return Write(settings, JsonOf(settings, found, story, names.ForDecisions()));
}

}  // namespace

int Explain(std::span<const std::string> arguments) {
  Settings settings;
  const CommandFlag flags[] = {
      {"request", FlagKind::kValue, "ID",
       "the id that its client gave, or its number, as /cotenant/v1/decisions prints it",
       SetsText(settings.request)},
      {"json", FlagKind::kValue, "FILE", "write the story as JSON", SetsText(settings.json)}};
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  if (settings.request.empty()) return Fail(2, "expected --request=ID, see --help");
  settings.log = line.words[0];
  return Tell(settings);
}

}  // namespace cotenant
