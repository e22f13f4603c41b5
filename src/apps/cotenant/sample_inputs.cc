#include "apps/cotenant/sample_inputs.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/sha256.h"
#include "catalog/datatype.h"
#include "client/sample_files.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// Of one file. A sample is one row.
constexpr std::uintmax_t kFileBytesMax = std::uintmax_t{256} << 20;

bool BringsData(const Warmup& warmup) {
  return std::ranges::any_of(warmup.inputs, [](const WarmupInput& input) {
    return input.kind == WarmupInput::Kind::kFile;
  });
}

Result<std::vector<std::byte>> ReadRaw(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return NotFound("sample '" + path.string() + "': " + error.message());
  if (size > kFileBytesMax) return InvalidArgument("sample '" + path.string() + "' is too large");
  std::vector<std::byte> bytes(size);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return NotFound("sample '" + path.string() + "' cannot be read");
  }
  return bytes;
}

/// The whole shape of one row, or nothing where dimensions and size do not agree.
std::optional<Shape> ShapeOf(const TensorSpec& spec, bool batched, const std::optional<Shape>& dims,
                             std::int64_t values) {
  Shape row;
  // Dimensions may be given with the row's, as clients send them.
  const std::size_t skipped =
      dims && batched && dims->rank() == spec.dims.rank() + 1 && (*dims)[0] == 1 ? 1 : 0;
  if (dims && dims->rank() != spec.dims.rank() + skipped) return std::nullopt;
  std::optional<std::size_t> open;
  std::int64_t known = 1;
  for (std::size_t i = 0; i < spec.dims.rank(); ++i) {
    const std::int64_t dim = dims ? (*dims)[i + skipped] : spec.dims[i];
    if (spec.dims[i] >= 0 && dim != spec.dims[i]) return std::nullopt;
    if (dim < 0 && open) return std::nullopt;
    if (dim < 0) open = i;
    if (dim >= 0) known *= dim;
    row.Append(dim);
  }
  if (open) row[*open] = known > 0 ? values / known : 0;
  if (values < 0 || row.ElementCount() != values) return std::nullopt;
  Shape whole;
  if (batched) whole.Append(1);
  for (const std::int64_t dim : row.dims()) {
    if (!whole.TryAppend(dim)) return std::nullopt;
  }
  return whole;
}

Result<OwnedRequest> ReadSample(const fs::path& folder, const ServedModel& model) {
  const ModelConfig& config = model.config();
  const std::vector<fs::path> files = FilesOf(folder);
  OwnedRequest sample;
  for (std::size_t i = 0; i < config.inputs.size(); ++i) {
    const TensorSpec& spec = config.inputs[i];
    const std::optional<fs::path> found = FindInputFile(files, spec.name);
    if (!found && spec.optional) continue;
    if (!found) {
      return InvalidArgument("sample '" + folder.string() + "' has no file '" +
                             SampleFileName(spec.name) + "'");
    }
    Result<std::vector<std::byte>> bytes = ReadRaw(*found);
    COTENANT_RETURN_IF_ERROR(bytes.status());
    const std::optional<Shape> dims = DimsInName(*found, spec.name);
    const auto shape =
        ShapeOf(spec, config.max_batch_size > 0, dims, CountValues(spec.datatype, *bytes));
    if (!shape) {
      return InvalidArgument("sample '" + found->string() + "' holds " +
                             std::to_string(bytes->size()) + " bytes, which are no row of " +
                             std::string(DataTypeName(spec.datatype)) + spec.dims.ToString() +
                             (dims ? ""
                                   : "; its name may say the dimensions: '" +
                                         SampleFileName(spec.name) + ".3x48x192'"));
    }
    sample.data.push_back(*std::move(bytes));
    sample.tensors.push_back({model.InputIndex(i), spec.datatype, *shape, sample.data.back()});
  }
  return sample;
}

/// By its place in the network's signature.
const std::string& InputName(const ServedModel& model, const InputTensor& tensor) {
  const std::vector<TensorSpec>& inputs = model.config().inputs;
  std::size_t i = 0;
  while (i + 1 < inputs.size() && model.InputIndex(i) != tensor.index) ++i;
  return inputs[i].name;
}

}  // namespace

Result<SampleFacts> FindSamples(const fs::path& folder, const ModelConfig& config) {
  SampleFacts facts;
  Sha256 hash;
  const auto add = [&hash](const fs::path& path, const std::string& name) {
    const Result<std::vector<std::byte>> bytes = ReadRaw(path);
    if (!bytes.ok()) return bytes.status();
    Sha256 content;
    content.Add(*bytes);
    hash.Add(content.Finish() + "  " + name + "\n");
    return Status();
  };
  for (const fs::path& sample : SampleFolders(folder)) {
    ++facts.count;
    for (const fs::path& file : FilesOf(sample)) {
      COTENANT_RETURN_IF_ERROR(add(file, file.lexically_relative(folder).string()));
    }
  }
  for (const Warmup& warmup : config.warmups) {
    if (!BringsData(warmup) || facts.count >= kSamplesMost) continue;
    ++facts.count;
    for (const WarmupInput& input : warmup.inputs) {
      hash.Add(warmup.name + "/" + input.name + " " + input.dims.ToString() + "\n");
      if (input.kind == WarmupInput::Kind::kFile) {
        COTENANT_RETURN_IF_ERROR(add(input.file, input.name));
      }
    }
  }
  if (facts.count > 0) facts.sha256 = hash.Finish();
  return facts;
}

Result<std::vector<OwnedRequest>> ReadSamples(const fs::path& folder, const ServedModel& model) {
  std::vector<OwnedRequest> samples;
  for (const fs::path& path : SampleFolders(folder)) {
    Result<OwnedRequest> sample = ReadSample(path, model);
    COTENANT_RETURN_IF_ERROR(sample.status());
    samples.push_back(*std::move(sample));
  }
  for (const Warmup& warmup : model.config().warmups) {
    if (!BringsData(warmup) || samples.size() >= kSamplesMost) continue;
    Result<OwnedRequest> sample = MakeWarmUp(model, warmup);
    COTENANT_RETURN_IF_ERROR(sample.status());
    samples.push_back(*std::move(sample));
  }
  return samples;
}

std::string ShapesText(const ServedModel& model, const OwnedRequest& sample) {
  std::string text;
  for (const InputTensor& tensor : sample.tensors) {
    text += (text.empty() ? "" : ", ") + InputName(model, tensor) + " " + tensor.shape.ToString();
  }
  return text;
}

Bytes BytesOf(const OwnedRequest& sample) {
  std::size_t size = 0;
  for (const auto& bytes : sample.data) size += bytes.size();
  return Bytes(static_cast<std::int64_t>(size));
}

OwnedRequest Repeated(const OwnedRequest& sample, std::int32_t rows) {
  OwnedRequest made;
  made.rows = rows;
  for (std::size_t i = 0; i < sample.tensors.size(); ++i) {
    std::vector<std::byte> bytes;
    for (std::int32_t row = 0; row < rows; ++row) {
      bytes.insert(bytes.end(), sample.data[i].begin(), sample.data[i].end());
    }
    InputTensor tensor = sample.tensors[i];
    tensor.shape[0] = rows;
    made.data.push_back(std::move(bytes));
    tensor.bytes = made.data.back();
    made.tensors.push_back(tensor);
  }
  return made;
}

Status WriteSamples(const fs::path& folder, const ServedModel& model,
                    const std::vector<OwnedRequest>& samples) {
  std::error_code error;
  fs::create_directories(folder, error);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    nlohmann::ordered_json inputs = nlohmann::ordered_json::array();
    for (std::size_t at = 0; at < samples[i].tensors.size(); ++at) {
      const InputTensor& tensor = samples[i].tensors[at];
      const std::string name = std::to_string(i) + "." + std::to_string(at);
      std::ofstream file(folder / name, std::ios::binary);
      file.write(reinterpret_cast<const char*>(tensor.bytes.data()),
                 static_cast<std::streamsize>(tensor.bytes.size()));
      auto shape = nlohmann::ordered_json::array();
      for (const std::int64_t dim : tensor.shape.dims()) shape.push_back(dim);
      inputs.push_back({{"name", InputName(model, tensor)},
                        {"datatype", DataTypeName(tensor.datatype)},
                        {"shape", shape},
                        {"file", name}});
      if (!file.flush()) return Unavailable("'" + folder.string() + "' cannot be written");
    }
    list.push_back(std::move(inputs));
  }
  std::ofstream file(folder / "samples.json");
  file << list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  return file.flush() ? Status() : Unavailable("'" + folder.string() + "' cannot be written");
}

}  // namespace cotenant
