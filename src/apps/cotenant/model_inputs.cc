#include "apps/cotenant/model_inputs.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "client/model_metadata.h"

namespace cotenant {
namespace {

/// The model's own sample, if its configuration has one, behind what the command line says.
InputChoice WithSample(InputChoice choice, const ModelConfig& config) {
  if (config.warmups.empty()) return choice;
  const auto has = [](const auto& list, const std::string& name) {
    return std::ranges::any_of(list, [&](const auto& item) { return item.first == name; });
  };
  for (const WarmupInput& input : config.warmups[0].inputs) {
    if (!has(choice.shapes, input.name)) choice.shapes.emplace_back(input.name, input.dims);
    if (input.kind == WarmupInput::Kind::kFile && !has(choice.files, input.name)) {
      choice.files.emplace_back(input.name, input.file);
    }
  }
  return choice;
}

}  // namespace

std::size_t InputChoice::Choices() const {
  std::map<std::string_view, std::size_t> counts;
  std::size_t most = 1;
  for (const auto& [name, shape] : shapes) most = std::max(most, ++counts[name]);
  return most;
}

InputChoice InputChoice::Choice(std::size_t number) const {
  InputChoice one;
  one.files = files;
  std::map<std::string_view, std::size_t> counts;
  for (const auto& [name, shape] : shapes) {
    const auto chosen = std::ranges::find(one.shapes, name, &std::pair<std::string, Shape>::first);
    if (chosen == one.shapes.end()) {
      one.shapes.emplace_back(name, shape);
    } else if (++counts[name] <= number) {
      chosen->second = shape;
    }
  }
  return one;
}

Result<ModelInputs> ModelInputs::Make(const ServedModel& model, const InputChoice& given,
                                      std::int64_t open_dimension, std::int32_t rows_max) {
  const ModelConfig& config = model.config();
  const InputChoice choice = WithSample(given, config);
  const bool batched = config.max_batch_size > 0;
  bool any_open = false;
  ModelMetadata metadata;
  metadata.name = config.name;
  for (const TensorSpec& spec : config.inputs) {
    const auto shape =
        std::ranges::find(choice.shapes, spec.name, &std::pair<std::string, Shape>::first);
    const bool has_file = std::ranges::any_of(
        choice.files, [&](const auto& file) { return file.first == spec.name; });
    const Shape dims = shape != choice.shapes.end() ? shape->second : spec.dims;
    TensorSpec whole = spec;
    whole.dims = Shape();
    if (batched) whole.dims.Append(-1);
    for (const std::int64_t dim : dims.dims()) {
      // A file's size tells an open dimension.
      any_open = any_open || (dim < 0 && !has_file);
      if (!whole.dims.TryAppend(dim < 0 && !has_file ? open_dimension : dim)) {
        return InvalidArgument("model '" + config.name + "', input '" + spec.name +
                               "': too many dimensions");
      }
    }
    metadata.inputs.push_back(std::move(whole));
  }
  for (const auto& [name, shape] : choice.shapes) {
    if (std::ranges::find(config.inputs, name, &TensorSpec::name) == config.inputs.end()) {
      return InvalidArgument("model '" + config.name + "' has no input '" + name + "'");
    }
  }
  Random random(1);
  Result<RequestBodies> bodies =
      RequestBodies::Build(config.name, metadata, batched ? rows_max : 1, {choice.files}, random);
  if (!bodies.ok()) return bodies.status();
  ModelInputs made(*std::move(bodies));
  made.any_open_ = any_open;
  // The first part of a body says what the others are.
  const RequestBodies::Body& body = made.bodies_.Pick(1, random);
  const std::string_view text(static_cast<const char*>(body.parts[0].iov_base), body.json_size);
  const nlohmann::json json = nlohmann::json::parse(text);
  made.row_bytes_ = Bytes(static_cast<std::int64_t>(body.size));
  for (std::size_t i = 0; i < config.inputs.size(); ++i) {
    Input input;
    input.index = model.InputIndex(i);
    input.datatype = config.inputs[i].datatype;
    for (const nlohmann::json& dim : json["inputs"][i]["shape"]) {
      input.shape.Append(dim.get<std::int64_t>());
    }
    input.has_rows = batched;
    made.shapes_text_ += (i == 0 ? "" : ", ") + config.inputs[i].name + " ";
    made.shapes_text_ += input.shape.ToString();
    made.inputs_.push_back(input);
  }
  return made;
}

std::vector<InputTensor> ModelInputs::Request(std::int32_t rows, Random& random) const {
  const RequestBodies::Body& body = bodies_.Pick(rows, random);
  std::vector<InputTensor> tensors;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Input& input = inputs_[i];
    const iovec& part = body.parts[i + 1];
    Shape shape = input.shape;
    if (input.has_rows) shape[0] = rows;
    tensors.push_back({input.index,
                       input.datatype,
                       shape,
                       {static_cast<const std::byte*>(part.iov_base), part.iov_len}});
  }
  return tensors;
}

}  // namespace cotenant
