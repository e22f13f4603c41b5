#include "config/prepared_manifest.h"

#include <nlohmann/json.hpp>

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "cotenant prepared network";
constexpr std::int64_t kFormatVersion = 1;
constexpr std::int64_t kBytesMax = std::int64_t{1} << 46;
constexpr std::int64_t kNanosecondsMax = 3'600'000'000'000;

/// Thrown and caught in this file: a manifest is read as a whole or not at all.
struct Wrong {
  std::string what;
};

const Json& Member(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key))
    throw Wrong{"'" + std::string(key) + "' is missing"};
  return json[key];
}

std::int64_t Integer(const Json& json, const char* key, std::int64_t most) {
  const Json& value = Member(json, key);
  const bool whole = value.is_number_integer() &&
                     (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
  if (!whole || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > most) {
    throw Wrong{"'" + std::string(key) + "' is no whole number from 0 to " + std::to_string(most)};
  }
  return value.get<std::int64_t>();
}

std::string Text(const Json& json, const char* key) {
  const Json& value = Member(json, key);
  if (!value.is_string()) throw Wrong{"'" + std::string(key) + "' is no text"};
  return value.get<std::string>();
}

/// A name that stays inside its folder.
std::string Name(const Json& json, const char* key) {
  std::string name = Text(json, key);
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    throw Wrong{"'" + std::string(key) + "' is no file's name"};
  }
  return name;
}

const Json& List(const Json& json, const char* key) {
  const Json& value = Member(json, key);
  if (!value.is_array()) throw Wrong{"'" + std::string(key) + "' is no list"};
  return value;
}

Bytes Size(const Json& json, const char* key) { return Bytes(Integer(json, key, kBytesMax)); }
Duration Span(const Json& json, const char* key) {
  return Duration::Nanoseconds(Integer(json, key, kNanosecondsMax));
}

Json ToJson(const MeasuredForm& measured) {
  Json json;
  json["mapped_bytes"] = measured.cost.mapped.count();
  json["anonymous_bytes"] = measured.cost.anonymous.count();
  json["run_peak_bytes"] = measured.cost.run_peak.count();
  json["load_peak_bytes"] = measured.cost.transition_peak.count();
  json["load_ns"] = measured.cost.load_takes.nanoseconds();
  json["run_ns"] = measured.run_takes.nanoseconds();
  json["shapes"] = Json::array();
  for (const MeasuredShape& shape : measured.shapes) {
    json["shapes"].push_back(Json{{"rows", shape.rows},
                                  {"inputs", shape.inputs},
                                  {"run_peak_bytes", shape.run_peak.count()},
                                  {"run_ns", shape.run_takes.nanoseconds()}});
  }
  return json;
}

MeasuredForm ToMeasured(const Json& json) {
  MeasuredForm measured;
  measured.cost.mapped = Size(json, "mapped_bytes");
  measured.cost.anonymous = Size(json, "anonymous_bytes");
  measured.cost.run_peak = Size(json, "run_peak_bytes");
  measured.cost.transition_peak = Size(json, "load_peak_bytes");
  measured.cost.load_takes = Span(json, "load_ns");
  measured.run_takes = Span(json, "run_ns");
  for (const Json& shape : List(json, "shapes")) {
    measured.shapes.push_back({static_cast<std::int32_t>(Integer(shape, "rows", 1 << 24)),
                               Text(shape, "inputs"), Size(shape, "run_peak_bytes"),
                               Span(shape, "run_ns")});
  }
  return measured;
}

Json ToJson(const PreparedForm& form) {
  Json json;
  json["name"] = form.name;
  json["network"] = form.network;
  json["graph_optimization_level"] = form.graph_optimization_level;
  json["session_entries"] = Json::object();
  for (const auto& [key, value] : form.session_entries) json["session_entries"][key] = value;
  json["accuracy_milli"] = form.accuracy.milli;
  json["accuracy_source"] = AccuracySourceName(form.accuracy.source);
  json["measured"] = ToJson(form.measured);
  json["files"] = Json::array();
  for (const PreparedFile& file : form.files) {
    json["files"].push_back(
        Json{{"name", file.name}, {"bytes", file.size.count()}, {"sha256", file.sha256}});
  }
  return json;
}

PreparedForm ToForm(const Json& json) {
  PreparedForm form;
  form.name = Name(json, "name");
  form.network = Name(json, "network");
  form.graph_optimization_level =
      static_cast<std::int32_t>(Integer(json, "graph_optimization_level", 99));
  const Json& entries = Member(json, "session_entries");
  if (!entries.is_object()) throw Wrong{"'session_entries' is no object"};
  for (const auto& [key, value] : entries.items()) {
    form.session_entries[key] = Text(entries, key.c_str());
  }
  form.accuracy.milli = static_cast<std::int32_t>(Integer(json, "accuracy_milli", kFullAccuracy));
  const auto source = FindAccuracySource(Text(json, "accuracy_source"));
  if (!source) throw Wrong{"'accuracy_source' is not known"};
  form.accuracy.source = *source;
  form.measured = ToMeasured(Member(json, "measured"));
  bool found = false;
  for (const Json& file : List(json, "files")) {
    form.files.push_back({Name(file, "name"), Size(file, "bytes"), Text(file, "sha256")});
    found = found || form.files.back().name == form.network;
  }
  if (!found) throw Wrong{"'files' lacks the network"};
  return form;
}

PreparedNetwork ToNetwork(const PreparedKey& key, const Json& json) {
  if (Text(json, "format") != kFormat ||
      Integer(json, "format_version", kFormatVersion) != kFormatVersion) {
    throw Wrong{"it is of another format"};
  }
  const PreparedKey found{Text(json, "network"), Text(json, "cpu"),
                          Text(json, "onnxruntime_version"), Text(json, "options")};
  if (!(found == key)) throw Wrong{"it is of another network, CPU or ONNX Runtime"};
  PreparedNetwork network;
  if (json.contains("shipped")) network.shipped = ToMeasured(json["shipped"]);
  for (const Json& form : List(json, "forms")) network.forms.push_back(ToForm(form));
  for (const Json& dropped : List(json, "dropped")) {
    network.dropped.push_back({Text(dropped, "name"), Text(dropped, "reason")});
  }
  network.tries = static_cast<std::int32_t>(Integer(json, "tries", 1 << 20));
  network.served_agreement_min =
      static_cast<std::int32_t>(Integer(json, "served_agreement_min_milli", kFullAccuracy));
  if (json.contains("samples")) {
    network.samples = Integer(json, "samples", 1 << 20);
    network.samples_sha256 = Text(json, "samples_sha256");
  }
  return network;
}

template <typename T, typename Read>
Result<T> Parse(std::string_view text, Read read) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return InvalidArgument("it is no JSON");
  try {
    return read(json);
  } catch (const Wrong& wrong) {
    return InvalidArgument(wrong.what);
  }
}

}  // namespace

std::string ManifestText(const PreparedKey& key, const PreparedNetwork& network) {
  Json json;
  json["format"] = kFormat;
  json["format_version"] = kFormatVersion;
  json["network"] = key.network;
  json["cpu"] = key.cpu;
  json["onnxruntime_version"] = key.onnxruntime_version;
  json["options"] = key.options;
  json["tries"] = network.tries;
  json["served_agreement_min_milli"] = network.served_agreement_min;
  json["samples"] = network.samples;
  json["samples_sha256"] = network.samples_sha256;
  if (network.shipped) json["shipped"] = ToJson(*network.shipped);
  json["forms"] = Json::array();
  for (const PreparedForm& form : network.forms) json["forms"].push_back(ToJson(form));
  json["dropped"] = Json::array();
  for (const PreparedNetwork::Dropped& dropped : network.dropped) {
    json["dropped"].push_back(Json{{"name", dropped.name}, {"reason", dropped.reason}});
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<PreparedNetwork> ParseManifest(const PreparedKey& key, std::string_view text) {
  return Parse<PreparedNetwork>(text, [&key](const Json& json) { return ToNetwork(key, json); });
}

std::string MeasuredText(const MeasuredForm& measured) { return ToJson(measured).dump() + "\n"; }

Result<MeasuredForm> ParseMeasured(std::string_view text) {
  return Parse<MeasuredForm>(text, [](const Json& json) { return ToMeasured(json); });
}

}  // namespace cotenant
