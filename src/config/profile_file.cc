#include "config/profile_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "config/model_conversion.h"

namespace cotenant {
namespace {

// Keys stay in the order in which they are written.
using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "cotenant profile";
constexpr std::int64_t kFormatVersion = 1;
constexpr std::int64_t kSlotsMax = 4096;
constexpr std::int64_t kRowsMax = 1 << 30;

Json TimesJson(const TimeDistribution& times) {
  Json list = Json::array();
  for (const Duration time : times.quantiles) list.push_back(time.nanoseconds());
  return list;
}

Json ModelJson(const MachineProfile::Model& model) {
  const ModelProfile& profile = model.profile;
  Json json;
  json["name"] = profile.model;
  json["version"] = profile.version;
  json["hash"] = model.hash;
  json["load_ns"] = TimesJson(profile.load);
  json["mapped_bytes"] = profile.mapped.count();
  json["anonymous_bytes"] = profile.anonymous.count();
  if (profile.load_peak > Bytes()) json["load_peak_bytes"] = profile.load_peak.count();
  Json& runs = json["runs"] = Json::array();
  for (const RunTimes& run : profile.runs) {
    runs.push_back(Json{{"rows", run.rows},
                        {"alone_ns", TimesJson(run.alone)},
                        {"beside_ns", TimesJson(run.beside)},
                        {"peak_bytes", run.peak.count()}});
  }
  return json;
}

/// Takes values out of one object; the first mistake is kept, and after it all is zero.
class Object {
 public:
  Object(const Json& json, std::string path, std::string& error)
      : json_(json), path_(std::move(path)), error_(error) {
    if (!json.is_object()) Wrong("", "an object");
  }

  std::string Text(const char* key) const {
    const Json* value = Find(key);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    Wrong(key, "a text");
    return {};
  }
  std::int64_t Integer(const char* key, std::int64_t least, std::int64_t most) const {
    const Json* value = Find(key);
    if (value != nullptr && IsWithin(*value, least, most)) return value->get<std::int64_t>();
    Wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return 0;
  }
  bool Has(const char* key) const { return Find(key) != nullptr; }
  /// Quantiles; without `may_be_empty` at least one.
  TimeDistribution Times(const char* key, bool may_be_empty) const {
    const Json* value = Find(key);
    TimeDistribution times;
    bool sound = value != nullptr && value->is_array() && (may_be_empty || !value->empty());
    for (const Json& item : sound ? *value : Json::array()) {
      const std::int64_t least = times.empty() ? 0 : times.quantiles.back().nanoseconds();
      sound = sound && IsWithin(item, least, Duration::Max().nanoseconds());
      if (sound) times.quantiles.push_back(Duration::Nanoseconds(item.get<std::int64_t>()));
    }
    if (sound) return times;
    Wrong(key, "a list of whole numbers, ascending");
    return {};
  }
  Object Child(const char* key) const {
    static const Json kNothing = Json::object();
    const Json* value = Find(key);
    if (value == nullptr) Wrong(key, "an object");
    return Object(value == nullptr ? kNothing : *value, Path(key), error_);
  }
  template <typename Each>
  void List(const char* key, Each each) const {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_array()) {
      Wrong(key, "a list");
      return;
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      each(Object((*value)[i], Path(key) + "[" + std::to_string(i) + "]", error_));
    }
  }
  void Wrong(std::string_view key, const std::string& expected) const {
    if (error_.empty()) error_ = "'" + Path(key) + "': expected " + expected;
  }

 private:
  static bool IsWithin(const Json& value, std::int64_t least, std::int64_t most) {
    if (!value.is_number_integer()) return false;
    // Beyond the signed ones a number would come back negative.
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(most)) {
      return false;
    }
    return value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
  }
  const Json* Find(std::string_view key) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(std::string(key));
    return found == json_.end() ? nullptr : &*found;
  }
  std::string Path(std::string_view key) const {
    return path_ + (path_.empty() || key.empty() ? "" : ".") + std::string(key);
  }

  const Json& json_;
  std::string path_;
  std::string& error_;
};

MachineProfile::Model ReadModel(const Object& json) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  MachineProfile::Model model;
  model.hash = json.Text("hash");
  ModelProfile& profile = model.profile;
  profile.model = json.Text("name");
  profile.version = json.Integer("version", 1, kMost);
  profile.load = json.Times("load_ns", true);
  profile.mapped = Bytes(json.Integer("mapped_bytes", 0, kMost));
  profile.anonymous = Bytes(json.Integer("anonymous_bytes", 0, kMost));
  if (json.Has("load_peak_bytes")) {
    profile.load_peak = Bytes(json.Integer("load_peak_bytes", 0, kMost));
  }
  json.List("runs", [&](const Object& run) {
    const std::int64_t least = profile.runs.empty() ? 1 : profile.runs.back().rows + 1;
    profile.runs.push_back({static_cast<std::int32_t>(run.Integer("rows", least, kRowsMax)),
                            run.Times("alone_ns", false), run.Times("beside_ns", true),
                            Bytes(run.Integer("peak_bytes", 0, kMost))});
  });
  if (profile.runs.empty()) json.Wrong("runs", "at least one");
  return model;
}

/// Lists of numbers on one line each; no line is broken within a text.
std::string JoinNumbers(const std::string& text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string joined;
  joined.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && i > 0) {
      const std::size_t next = text.find_first_not_of(' ', i + 1);
      const char before = text[i - 1];
      const char after = next == std::string::npos ? '\0' : text[next];
      if ((before == '[' || before == ',') && is_digit(after)) {
        if (before == ',') joined += ' ';
        i = next - 1;
        continue;
      }
      if (is_digit(before) && after == ']') {
        i = next - 1;
        continue;
      }
    }
    joined += text[i];
  }
  return joined;
}

}  // namespace

Result<MachineProfile> ParseMachineProfile(std::string_view text, const std::string& file) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return InvalidArgument(file + ": no JSON at byte " + std::to_string(error.byte));
  }
  std::string error;
  const Object root(json, "", error);
  if (error.empty() && root.Text("format") != kFormat) {
    root.Wrong("format", "'" + std::string(kFormat) + "'");
  }
  root.Integer("format_version", kFormatVersion, kFormatVersion);
  MachineProfile profile;
  profile.cpu = root.Text("cpu");
  profile.onnxruntime_version = root.Text("onnxruntime_version");
  profile.cotenant_version = root.Text("cotenant_version");
  profile.slots = static_cast<std::int32_t>(root.Integer("slots", 1, kSlotsMax));
  const Object costs = root.Child("node_costs");
  profile.costs.read = costs.Times("read_ns", true);
  profile.costs.hand_over = costs.Times("hand_over_ns", true);
  profile.costs.reply = costs.Times("reply_ns", true);
  root.List("models", [&](const Object& model) { profile.models.push_back(ReadModel(model)); });
  if (!error.empty()) return InvalidArgument(file + ": " + error);
  return profile;
}

Result<MachineProfile> ReadProfileFile(const std::filesystem::path& path) {
  Result<std::string> text = ReadFile(path, kProfileBytesMax);
  if (!text.ok()) return text.status();
  return ParseMachineProfile(*text, path.string());
}

std::string MachineProfileText(const MachineProfile& profile) {
  Json json;
  json["format"] = kFormat;
  json["format_version"] = kFormatVersion;
  json["cpu"] = profile.cpu;
  json["onnxruntime_version"] = profile.onnxruntime_version;
  json["cotenant_version"] = profile.cotenant_version;
  json["slots"] = profile.slots;
  json["node_costs"] = Json{{"read_ns", TimesJson(profile.costs.read)},
                            {"hand_over_ns", TimesJson(profile.costs.hand_over)},
                            {"reply_ns", TimesJson(profile.costs.reply)}};
  Json& models = json["models"] = Json::array();
  for (const MachineProfile::Model& model : profile.models) models.push_back(ModelJson(model));
  // Names that are no UTF-8 are written with a sign in place of the wrong bytes.
  return JoinNumbers(json.dump(1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

Status WriteProfileFile(const std::filesystem::path& path, const MachineProfile& profile) {
  const std::filesystem::path part = path.string() + std::string(kPartEnding);
  std::ofstream stream(part, std::ios::binary | std::ios::trunc);
  stream << MachineProfileText(profile);
  stream.close();
  if (!stream) {
    return Unavailable("'" + part.string() + "' cannot be written: " + std::strerror(errno));
  }
  std::error_code error;
  std::filesystem::rename(part, path, error);
  if (error) return Unavailable("'" + path.string() + "': " + error.message());
  return {};
}

}  // namespace cotenant
