#include "client/model_metadata.h"

#include <nlohmann/json.hpp>

namespace cotenant {
namespace {

using Json = nlohmann::json;

Status Wrong(const std::string& what) { return InvalidArgument("model metadata: " + what); }

Result<TensorSpec> ReadInput(const Json& json) {
  TensorSpec spec;
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) {
    return Wrong("an input has no name");
  }
  spec.name = json["name"];
  const std::string type = json.value("datatype", Json("")).is_string()
                               ? json.value("datatype", Json("")).get<std::string>()
                               : "";
  const std::optional<DataType> known = ParseDataType(type);
  if (!known) return Wrong("input '" + spec.name + "' has the unknown datatype '" + type + "'");
  spec.datatype = *known;
  const Json shape = json.value("shape", Json());
  if (!shape.is_array()) return Wrong("input '" + spec.name + "' has no shape");
  for (const Json& dim : shape) {
    if (!dim.is_number_integer() || dim.get<std::int64_t>() < -1 ||
        !spec.dims.TryAppend(dim.get<std::int64_t>())) {
      return Wrong("the shape of input '" + spec.name + "' cannot be read: " + shape.dump());
    }
  }
  return spec;
}

}  // namespace

Result<ModelMetadata> ParseModelMetadata(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Wrong("not a JSON object");
  ModelMetadata metadata;
  if (json.contains("name") && json["name"].is_string()) metadata.name = json["name"];
  const Json inputs = json.value("inputs", Json());
  if (!inputs.is_array() || inputs.empty()) return Wrong("no inputs");
  for (const Json& input : inputs) {
    Result<TensorSpec> spec = ReadInput(input);
    if (!spec.ok()) return spec.status();
    metadata.inputs.push_back(*std::move(spec));
  }
  return metadata;
}

std::string ErrorText(std::string_view body) {
  constexpr std::size_t kShownMax = 200;
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) {
    return json["error"].get<std::string>().substr(0, kShownMax);
  }
  return std::string(body.substr(0, kShownMax));
}

}  // namespace cotenant
