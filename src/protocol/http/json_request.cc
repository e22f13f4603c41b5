#include "protocol/http/json_request.h"

#include <simdjson.h>

#include <vector>

#include "protocol/http/json_document.h"
#include "protocol/http/json_tensor.h"
#include "protocol/server_facts.h"

namespace cotenant {
namespace {

namespace dom = simdjson::dom;

std::string Indexed(const char* list, std::size_t index, const char* field) {
  return std::string(list) + "[" + std::to_string(index) + "]" + field;
}

bool IsSharedMemory(std::string_view name) { return name.starts_with("shared_memory_"); }

}  // namespace

class RequestReader::Body {
 public:
  Body(const HttpOptions& options, std::atomic<std::size_t>* under_way)
      : document(options, under_way), options_(options) {}

  JsonDocument document;

  Status ReadParameters(const dom::element& element, ParameterReader& parameters, InferCall& call);
  Status ReadInputs(const dom::element& element, Buffer& arena, InferCall& call);
  Status ReadOutputs(const dom::element& element, InferCall& call);
  void Begin(std::span<const std::byte> binary) {
    binary_ = binary;
    converted_.clear();
  }
  Status End(const Buffer& arena, InferCall& call);

 private:
  struct InputFields {
    std::optional<std::uint64_t> binary_size;
    std::optional<dom::element> data;
  };
  /// Which input's bytes lie where in the arena, which may move while it grows.
  struct Converted {
    std::size_t input;
    std::size_t offset;
    std::size_t size;
  };

  Status ReadInput(const dom::object& object, std::size_t index, Buffer& arena, InferCall& call);
  Status ReadInputParameters(const dom::element& element, std::size_t index, NamedInput& input,
                             InputFields& fields);
  Status ReadShape(const dom::element& element, std::size_t index, NamedInput& input);
  Status TakeBinary(std::uint64_t size, NamedInput& input);
  Status TakeJson(const dom::element& data, Buffer& arena, std::size_t at, NamedInput& input);
  Status ReadOutput(const dom::object& object, std::size_t index, InferCall& call);

  const HttpOptions& options_;
  std::span<const std::byte> binary_;
  std::vector<Converted> converted_;
};

Status RequestReader::Body::ReadParameters(const dom::element& element, ParameterReader& parameters,
                                           InferCall& call) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return MustBe("parameters", "an object");
  for (const auto [name, value] : object) {
    if (name == "headers") continue;  // Reserved by Triton's clients for their own use.
    if (name.starts_with("triton_")) {
      return InvalidArgument(
          "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
          "specified.");
    }
    auto parameter = ValueOf(name, value);
    if (!parameter.ok()) return parameter.status();
    if (name == "binary_data_output") {
      auto binary = Truth(name, *parameter);
      if (!binary.ok()) return binary.status();
      call.default_tag = *binary ? kBinaryTag : 0;
    } else {
      COTENANT_RETURN_IF_ERROR(parameters.Take(name, *parameter));
    }
  }
  return Status();
}

Status RequestReader::Body::ReadInputs(const dom::element& element, Buffer& arena,
                                       InferCall& call) {
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) return MustBe("inputs", "an array of tensors");
  std::size_t index = 0;
  for (const dom::element item : array) {
    if (index == options_.tensors_max) {
      return InvalidArgument("'inputs' has more than " + std::to_string(options_.tensors_max) +
                             " tensors");
    }
    dom::object object;
    if (item.get(object) != simdjson::SUCCESS) {
      return MustBe(Indexed("inputs", index, ""), "an object");
    }
    COTENANT_RETURN_IF_ERROR(ReadInput(object, index++, arena, call));
  }
  return Status();
}

Status RequestReader::Body::ReadInput(const dom::object& object, std::size_t index, Buffer& arena,
                                      InferCall& call) {
  NamedInput input;
  InputFields fields;
  const auto name = Field(object, "name");
  if (!name || name->get(input.name) != simdjson::SUCCESS) {
    return MustBe(Indexed("inputs", index, ".name"), "a string");
  }
  const auto shape = Field(object, "shape");
  if (!shape) return MustBe(Indexed("inputs", index, ".shape"), "an array of whole numbers");
  COTENANT_RETURN_IF_ERROR(ReadShape(*shape, index, input));
  std::string_view datatype;
  const auto type = Field(object, "datatype");
  if (!type || type->get(datatype) != simdjson::SUCCESS) {
    return MustBe(Indexed("inputs", index, ".datatype"), "a string");
  }
  const auto parsed = ParseDataType(datatype);
  if (!parsed) {
    return InvalidArgument("'" + Indexed("inputs", index, ".datatype") + "' of input '" +
                           std::string(input.name) + "' is '" + ToText(datatype) +
                           "', which is no datatype of the protocol");
  }
  input.datatype = *parsed;
  if (const auto parameters = Field(object, "parameters")) {
    COTENANT_RETURN_IF_ERROR(ReadInputParameters(*parameters, index, input, fields));
  }
  fields.data = Field(object, "data");
  if (fields.binary_size.has_value() == fields.data.has_value()) {
    return InvalidArgument("input '" + std::string(input.name) +
                           (fields.data ? "' has both 'data' and the parameter 'binary_data_size'; "
                                          "expected one of them"
                                        : "' has neither 'data' nor the parameter "
                                          "'binary_data_size'; expected one of them"));
  }
  COTENANT_RETURN_IF_ERROR(fields.data ? TakeJson(*fields.data, arena, call.inputs.size(), input)
                                       : TakeBinary(*fields.binary_size, input));
  call.inputs.push_back(input);
  return Status();
}

Status RequestReader::Body::ReadShape(const dom::element& element, std::size_t index,
                                      NamedInput& input) {
  dom::array array;
  const char* const expected = "an array of whole numbers";
  if (element.get(array) != simdjson::SUCCESS) {
    return MustBe(Indexed("inputs", index, ".shape"), expected);
  }
  for (const dom::element item : array) {
    std::int64_t dim = 0;
    if (item.get(dim) != simdjson::SUCCESS || dim < 0) {
      return MustBe(Indexed("inputs", index, ".shape"), expected);
    }
    if (!input.shape.TryAppend(dim)) {
      return InvalidArgument("'" + Indexed("inputs", index, ".shape") + "' has more than " +
                             std::to_string(kTensorRankMax) + " dimensions");
    }
  }
  return Status();
}

Status RequestReader::Body::ReadInputParameters(const dom::element& element, std::size_t index,
                                                NamedInput& input, InputFields& fields) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    return MustBe(Indexed("inputs", index, ".parameters"), "an object");
  }
  for (const auto [name, value] : object) {
    if (IsSharedMemory(name)) return SharedMemoryRefused(input.name);
    if (name != "binary_data_size") continue;
    auto parameter = ValueOf(name, value);
    if (!parameter.ok()) return parameter.status();
    auto size =
        WholeNumber(name, *parameter, 0, static_cast<std::uint64_t>(options_.body_max.count()));
    if (!size.ok()) return size.status();
    fields.binary_size = *size;
  }
  return Status();
}

Status RequestReader::Body::TakeBinary(std::uint64_t size, NamedInput& input) {
  if (size > binary_.size()) {
    return InvalidArgument("input '" + std::string(input.name) + "': 'binary_data_size' is " +
                           std::to_string(size) + ", but the body has only " +
                           std::to_string(binary_.size()) + " bytes left");
  }
  input.bytes = binary_.first(size);
  binary_ = binary_.subspan(size);
  return Status();
}

Status RequestReader::Body::TakeJson(const dom::element& data, Buffer& arena, std::size_t at,
                                     NamedInput& input) {
  dom::array array;
  if (data.get(array) != simdjson::SUCCESS) {
    return InvalidArgument("input '" + std::string(input.name) + "': 'data' must be an array");
  }
  // Every tensor begins on a cache line, so that it can be used where it lies.
  const std::size_t offset =
      (arena.size() + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
  if (!arena.ReserveMore(offset - arena.size())) return ResourceExhausted("no memory for tensors");
  arena.Grow(offset - arena.size());
  const JsonTensorSpec spec{input.name, input.datatype, input.shape, options_.elements_max};
  COTENANT_RETURN_IF_ERROR(AppendJsonTensor(spec, array, arena));
  converted_.push_back({at, offset, arena.size() - offset});
  return Status();
}

Status RequestReader::Body::ReadOutputs(const dom::element& element, InferCall& call) {
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) return MustBe("outputs", "an array of tensors");
  std::size_t index = 0;
  for (const dom::element item : array) {
    if (index == options_.tensors_max) {
      return InvalidArgument("'outputs' has more than " + std::to_string(options_.tensors_max) +
                             " tensors");
    }
    dom::object object;
    if (item.get(object) != simdjson::SUCCESS) {
      return MustBe(Indexed("outputs", index, ""), "an object");
    }
    COTENANT_RETURN_IF_ERROR(ReadOutput(object, index++, call));
  }
  return Status();
}

Status RequestReader::Body::ReadOutput(const dom::object& object, std::size_t index,
                                       InferCall& call) {
  WantedOutput wanted;
  wanted.tag = call.default_tag;
  const auto name = Field(object, "name");
  if (!name || name->get(wanted.name) != simdjson::SUCCESS) {
    return MustBe(Indexed("outputs", index, ".name"), "a string");
  }
  if (const auto element = Field(object, "parameters")) {
    dom::object parameters;
    if (element->get(parameters) != simdjson::SUCCESS) {
      return MustBe(Indexed("outputs", index, ".parameters"), "an object");
    }
    for (const auto [key, value] : parameters) {
      if (IsSharedMemory(key)) return SharedMemoryRefused(wanted.name);
      if (key != "classification" && key != "binary_data") continue;
      auto parameter = ValueOf(key, value);
      if (!parameter.ok()) return parameter.status();
      if (key == "classification") {
        auto classes = WholeNumber(key, *parameter, 0, UINT32_MAX);
        if (!classes.ok()) return classes.status();
        wanted.classification = static_cast<std::uint32_t>(*classes);
      } else {
        auto binary = Truth(key, *parameter);
        if (!binary.ok()) return binary.status();
        wanted.tag = *binary ? kBinaryTag : 0;
      }
    }
  }
  call.wanted.push_back(wanted);
  return Status();
}

Status RequestReader::Body::End(const Buffer& arena, InferCall& call) {
  for (const Converted& part : converted_) {
    call.inputs[part.input].bytes = std::span(arena.data() + part.offset, part.size);
  }
  if (binary_.empty()) return Status();
  return InvalidArgument("unexpected additional input data for model '" + std::string(call.model) +
                         "': " + std::to_string(binary_.size()) +
                         " bytes behind the last binary input");
}

RequestReader::RequestReader(const HttpOptions& options, std::atomic<std::size_t>* under_way)
    : body_(std::make_unique<Body>(options, under_way)) {}
RequestReader::~RequestReader() = default;

JsonDocument& RequestReader::document() { return body_->document; }

Status RequestReader::Read(std::span<const std::byte> body,
                           std::optional<std::uint64_t> json_length, ParameterReader& parameters,
                           Buffer& arena, InferCall& call) {
  const std::uint64_t length = json_length.value_or(body.size());
  if (length > body.size()) {
    return InvalidArgument("Inference-Header-Content-Length is " + std::to_string(length) +
                           ", but the body has only " + std::to_string(body.size()) + " bytes");
  }
  auto root = body_->document.Parse(body.first(length));
  if (!root.ok()) return root.status();
  const dom::object object = *root;
  body_->Begin(body.subspan(length));
  if (const auto id = Field(object, "id")) {
    std::string_view text;
    if (id->get(text) != simdjson::SUCCESS) return MustBe("id", "a string");
    call.id.assign(text);
  }
  if (const auto element = Field(object, "parameters")) {
    COTENANT_RETURN_IF_ERROR(body_->ReadParameters(*element, parameters, call));
  }
  const auto inputs = Field(object, "inputs");
  if (!inputs) return MustBe("inputs", "an array of tensors; it is missing");
  COTENANT_RETURN_IF_ERROR(body_->ReadInputs(*inputs, arena, call));
  if (const auto outputs = Field(object, "outputs")) {
    COTENANT_RETURN_IF_ERROR(body_->ReadOutputs(*outputs, call));
  }
  return body_->End(arena, call);
}

}  // namespace cotenant
