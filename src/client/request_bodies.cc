#include "client/request_bodies.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "client/sample_files.h"

namespace cotenant {
namespace {

/// Bodies of one model and number of rows that differ in their values.
constexpr std::size_t kVersionsMax = 8;
/// Of a model's tensors over all versions; beyond it there are fewer versions.
constexpr std::size_t kTensorBytesMax = 64 * 1024 * 1024;
/// Of a single request. Raise it for servers that take larger ones.
constexpr std::size_t kRequestBytesMax = 1024 * 1024 * 1024;
/// Every number of rows has bodies of its own. Raise it for models that take larger batches.
constexpr std::int32_t kRowsMax = 4096;
constexpr std::size_t kTextSize = 8;

/// One input, and what a row of it takes.
struct Input {
  TensorSpec spec;
  bool has_rows = false;  ///< Its first dimension is the number of rows.
  std::int64_t row_elements = 1;
  std::size_t row_size = 0;
  std::string file_bytes;  ///< One row or more; empty: random values.
};

template <typename Value>
void Append(Value value, std::string& out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

std::uint32_t FloatBits(Random& random) {
  return std::bit_cast<std::uint32_t>(static_cast<float>(random.Below(1U << 24)) * 0x1p-24F);
}

void AppendValue(DataType type, Random& random, std::string& out) {
  const std::uint64_t digit = random.Below(2);
  switch (type) {
    case DataType::kBool:
    case DataType::kUint8:
    case DataType::kInt8: return Append(static_cast<std::uint8_t>(digit), out);
    case DataType::kUint16:
    case DataType::kInt16: return Append(static_cast<std::uint16_t>(digit), out);
    case DataType::kUint32:
    case DataType::kInt32: return Append(static_cast<std::uint32_t>(digit), out);
    case DataType::kUint64:
    case DataType::kInt64: return Append(digit, out);
    // The exponent of 0.5 … 1 and a random fraction.
    case DataType::kFp16:
      return Append(static_cast<std::uint16_t>(0x3800 | random.Below(1024)), out);
    case DataType::kFp32: return Append(FloatBits(random), out);
    case DataType::kFp64:
      return Append(static_cast<double>(random.Below(std::uint64_t{1} << 53)) * 0x1p-53, out);
    case DataType::kBf16: return Append(static_cast<std::uint16_t>(FloatBits(random) >> 16), out);
    case DataType::kBytes:
      Append(static_cast<std::uint32_t>(kTextSize), out);
      for (std::size_t i = 0; i < kTextSize; ++i) {
        out += static_cast<char>('a' + static_cast<int>(random.Below(26)));
      }
      return;
    case DataType::kInvalid: return;
  }
}

std::size_t ValueSize(DataType type) {
  return type == DataType::kBytes ? sizeof(std::uint32_t) + kTextSize : ElementSize(type);
}

/// Takes the dimensions that a file's name says, with the number of rows or without it.
Status TakeDims(Input& input, const Shape& named, const std::string& place) {
  const Shape declared = input.spec.dims;
  Shape& dims = input.spec.dims;
  const std::size_t skipped = input.has_rows && named.rank() + 1 == dims.rank() ? 1 : 0;
  bool fits = named.rank() + skipped == dims.rank();
  for (std::size_t i = input.has_rows ? 1 : 0; fits && i < dims.rank(); ++i) {
    fits = dims[i] < 0 || dims[i] == named[i - skipped];
    dims[i] = named[i - skipped];
  }
  return fits ? Status()
              : InvalidArgument(place + "the dimensions in its name are not those of " +
                                declared.ToString());
}

/// Makes all dimensions but the rows definite; a file's size tells the one that is open.
Status FixDims(Input& input, const std::string& place) {
  const bool text = input.spec.datatype == DataType::kBytes;
  std::int64_t elements = 0;
  if (!input.file_bytes.empty()) {
    elements = CountValues(input.spec.datatype, std::as_bytes(std::span(input.file_bytes)));
    if (text && elements < 0) {
      return InvalidArgument(place + "a length leads beyond the end of the file");
    }
  }
  std::vector<std::size_t> open;
  const Shape declared = input.spec.dims;
  for (std::size_t i = input.has_rows ? 1 : 0; i < input.spec.dims.rank(); ++i) {
    if (input.spec.dims[i] < 0) {
      open.push_back(i);
      input.spec.dims[i] = 1;
    }
  }
  if (input.has_rows) input.spec.dims[0] = 1;
  input.row_elements = input.spec.dims.ElementCount();
  if (input.row_elements < 0) return InvalidArgument(place + "the shape has too many elements");
  const std::int64_t known = input.row_elements;
  if (open.size() == 1 && elements > 0 && known > 0 && elements % known == 0) {
    input.spec.dims[open[0]] = elements / known;
    input.row_elements = elements;
  }
  if (static_cast<std::uint64_t>(input.row_elements) > kRequestBytesMax) {
    return InvalidArgument(place + "a row of shape " + declared.ToString() + " is too large");
  }
  input.row_size = static_cast<std::size_t>(input.row_elements) * ValueSize(input.spec.datatype);
  if (input.file_bytes.empty()) return {};
  const bool whole = text ? elements == input.row_elements
                          : input.row_size > 0 && input.file_bytes.size() % input.row_size == 0 &&
                                (input.has_rows || input.file_bytes.size() == input.row_size);
  if (text) input.row_size = input.file_bytes.size();
  if (whole) return {};
  const std::string row = std::to_string(input.row_elements) + " elements";
  return InvalidArgument(place + "the file holds " + std::to_string(input.file_bytes.size()) +
                         " bytes, but " + (input.has_rows ? "a row" : "the tensor") + " of " +
                         std::string(DataTypeName(input.spec.datatype)) + declared.ToString() +
                         " takes " +
                         (text ? row : std::to_string(input.row_size) + " bytes (" + row + ")"));
}

Result<Input> MakeInput(const std::string& model, const TensorSpec& spec,
                        const FilesByInput& files) {
  Input input;
  input.spec = spec;
  input.has_rows = !spec.dims.empty() && spec.dims[0] == -1;
  std::string place = "model '" + model + "', input '" + spec.name + "': ";
  for (const auto& [name, path] : files) {
    if (name != spec.name) continue;
    place += path + ": ";
    std::ifstream file(path, std::ios::binary);
    if (!file) return NotFound(place + std::strerror(errno));
    input.file_bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (input.file_bytes.empty()) return InvalidArgument(place + "the file is empty");
    if (const std::optional<Shape> dims = DimsInName(path, name)) {
      COTENANT_RETURN_IF_ERROR(TakeDims(input, *dims, place));
    }
  }
  COTENANT_RETURN_IF_ERROR(FixDims(input, place));
  return input;
}

/// The bytes of so many rows.
std::string MakeTensor(const Input& input, std::int32_t rows, Random& random) {
  const std::size_t size =
      input.row_size * (input.has_rows ? static_cast<std::size_t>(rows) : std::size_t{1});
  std::string bytes;
  bytes.reserve(size);
  if (!input.file_bytes.empty()) {
    const std::size_t file_rows = input.file_bytes.size() / input.row_size;
    std::size_t at = static_cast<std::size_t>(random.Below(file_rows)) * input.row_size;
    while (bytes.size() < size) {
      bytes.append(input.file_bytes, at, input.row_size);
      at = (at + input.row_size) % input.file_bytes.size();
    }
    return bytes;
  }
  while (bytes.size() < size) AppendValue(input.spec.datatype, random, bytes);
  return bytes;
}

std::size_t TensorSize(const Input& input, std::int32_t rows) {
  return input.row_size * (input.has_rows ? static_cast<std::size_t>(rows) : std::size_t{1});
}

std::string MakeJson(const std::vector<Input>& inputs, std::int32_t rows) {
  nlohmann::ordered_json json;
  for (const Input& input : inputs) {
    auto shape = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < input.spec.dims.rank(); ++i) {
      shape.push_back(i == 0 && input.has_rows ? rows : input.spec.dims[i]);
    }
    json["inputs"].push_back({{"name", input.spec.name},
                              {"shape", shape},
                              {"datatype", std::string(DataTypeName(input.spec.datatype))},
                              {"parameters", {{"binary_data_size", TensorSize(input, rows)}}}});
  }
  json["parameters"]["binary_data_output"] = true;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Status CheckNames(const std::string& model, const std::vector<Input>& inputs,
                  const FilesByInput& files, std::int32_t rows_max) {
  for (const auto& [name, path] : files) {
    const bool known =
        std::ranges::any_of(inputs, [&](const Input& input) { return input.spec.name == name; });
    if (!known) return InvalidArgument("model '" + model + "' has no input '" + name + "'");
  }
  if (rows_max > 1 && std::ranges::none_of(inputs, &Input::has_rows)) {
    return InvalidArgument("model '" + model + "' takes no batches, but the load asks for " +
                           std::to_string(rows_max) + " rows");
  }
  return {};
}

}  // namespace

Result<RequestBodies> RequestBodies::Build(const std::string& model, const ModelMetadata& metadata,
                                           std::int32_t rows_max,
                                           const std::vector<FilesByInput>& samples,
                                           Random& random) {
  if (rows_max > kRowsMax) {
    return InvalidArgument("model '" + model + "': the load generator sends at most " +
                           std::to_string(kRowsMax) + " rows, but the load asks for " +
                           std::to_string(rows_max));
  }
  std::vector<std::vector<Input>> samples_inputs;
  std::size_t largest = 1;
  for (const FilesByInput& files : samples.empty() ? std::vector<FilesByInput>(1) : samples) {
    std::vector<Input>& inputs = samples_inputs.emplace_back();
    std::size_t total = 0;
    for (const TensorSpec& spec : metadata.inputs) {
      Result<Input> input = MakeInput(model, spec, files);
      if (!input.ok()) return input.status();
      total += TensorSize(*input, rows_max);
      inputs.push_back(*std::move(input));
    }
    COTENANT_RETURN_IF_ERROR(CheckNames(model, inputs, files, rows_max));
    if (total > kRequestBytesMax) {
      return InvalidArgument("model '" + model + "': a request of " + std::to_string(rows_max) +
                             " rows takes " + std::to_string(total) + " bytes");
    }
    largest = std::max(largest, total);
  }
  RequestBodies made;
  made.versions_ = std::clamp<std::size_t>(kTensorBytesMax / largest, 1, kVersionsMax);
  const auto keep = [&](std::string bytes) {
    return made.memory_.emplace_back(std::make_unique<std::string>(std::move(bytes))).get();
  };
  const auto inputs_of = [&samples_inputs](std::size_t version) -> const std::vector<Input>& {
    return samples_inputs[version % samples_inputs.size()];
  };
  std::vector<std::vector<std::string*>> tensors(made.versions_);
  for (std::size_t version = 0; version < tensors.size(); ++version) {
    for (const Input& input : inputs_of(version)) {
      tensors[version].push_back(keep(MakeTensor(input, rows_max, random)));
    }
  }
  for (std::int32_t rows = 1; rows <= rows_max; ++rows) {
    std::vector<std::string*> heads;
    for (const std::vector<Input>& inputs : samples_inputs) {
      heads.push_back(keep(MakeJson(inputs, rows)));
    }
    for (std::size_t version = 0; version < tensors.size(); ++version) {
      const std::vector<Input>& inputs = inputs_of(version);
      std::string* json = heads[version % heads.size()];
      Body& body = made.bodies_.emplace_back();
      body.json_size = json->size();
      body.parts.push_back({json->data(), json->size()});
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        body.parts.push_back({tensors[version][i]->data(), TensorSize(inputs[i], rows)});
      }
      for (const iovec& part : body.parts) body.size += part.iov_len;
    }
  }
  return made;
}

Result<std::vector<FilesByInput>> SampleFilesOf(const std::filesystem::path& folder,
                                                const std::string& model,
                                                const ModelMetadata& metadata) {
  std::vector<FilesByInput> samples;
  for (const std::filesystem::path& sample : SampleFolders(folder)) {
    if (samples.size() == kVersionsMax) break;
    const std::vector<std::filesystem::path> files = FilesOf(sample);
    FilesByInput& found = samples.emplace_back();
    for (const TensorSpec& input : metadata.inputs) {
      const auto file = FindInputFile(files, input.name);
      if (!file) {
        return InvalidArgument("model '" + model + "': '" + sample.string() + "' has no file '" +
                               SampleFileName(input.name) + "'");
      }
      found.emplace_back(input.name, file->string());
    }
  }
  return samples;
}

}  // namespace cotenant
