#include "config/model_conversion.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "config/runtime_parameters.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

DataType ToDataType(inference::DataType type) {
  // Both enumerations follow the field's order; a number of a later version is an invalid type
  // here.
  if (type < inference::TYPE_INVALID || type > inference::TYPE_BF16) return DataType::kInvalid;
  return static_cast<DataType>(type);
}

Result<Shape> ToShape(const google::protobuf::RepeatedField<std::int64_t>& dims,
                      const std::string& what) {
  Shape shape;
  for (std::int64_t dim : dims) {
    if (dim < 1 && dim != -1) {
      return InvalidArgument(what + ": dims must be 1 or more, or -1 for any size, got " +
                             std::to_string(dim));
    }
    if (!shape.TryAppend(dim)) {
      return InvalidArgument(what + ": at most " + std::to_string(kTensorRankMax) + " dims, got " +
                             std::to_string(dims.size()));
    }
  }
  return shape;
}

Duration Microseconds(std::uint64_t count) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;  // 35 years: longer is "for ever".
  return Duration::Microseconds(static_cast<std::int64_t>(std::min(count, kMost)));
}

class Conversion {
 public:
  Conversion(const inference::ModelConfig& proto, const ModelPlace& place,
             std::vector<std::string>& warnings)
      : proto_(proto), place_(place), warnings_(warnings) {}

  Result<ModelConfig> Run() {
    COTENANT_RETURN_IF_ERROR(Identity());
    COTENANT_RETURN_IF_ERROR(Tensors());
    COTENANT_RETURN_IF_ERROR(Versions());
    COTENANT_RETURN_IF_ERROR(Batching());
    COTENANT_RETURN_IF_ERROR(Warmups());
    Result<RuntimeOptions> runtime = ReadRuntimeOptions(proto_, place_.file, warnings_);
    if (!runtime.ok()) return runtime.status();
    config_.runtime = *runtime;
    // Deterministic, because maps have no order and equal configurations should compare equal.
    google::protobuf::io::StringOutputStream stream(&config_.written);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    proto_.SerializeToCodedStream(&coded);
    coded.Trim();
    return std::move(config_);
  }

 private:
  Status Bad(const std::string& message) const {
    return InvalidArgument(place_.file + ": " + message);
  }

  Status Identity() {
    config_.name = place_.name;
    if (!proto_.name().empty() && proto_.name() != place_.name) {
      return Bad("unexpected directory name '" + place_.name + "' for model '" + proto_.name() +
                 "', directory name must equal model name");
    }
    if (!proto_.platform().empty() && proto_.platform() != config_.platform) {
      return Unimplemented(place_.file + ": platform '" + proto_.platform() +
                           "' is not supported, only '" + config_.platform + "'");
    }
    if (!proto_.backend().empty() && proto_.backend() != config_.backend) {
      return Unimplemented(place_.file + ": backend '" + proto_.backend() +
                           "' is not supported, only '" + config_.backend + "'");
    }
    if (proto_.max_batch_size() < 0) {
      return Bad("'max_batch_size' must be non-negative value for " + config_.name);
    }
    config_.max_batch_size = proto_.max_batch_size();
    config_.max_batch_size_given = proto_.has_max_batch_size();
    if (!proto_.default_model_filename().empty()) {
      config_.default_model_filename = proto_.default_model_filename();
    }
    Result<fs::path> path = PathWithin(place_.folder, config_.default_model_filename);
    return path.ok() ? Status() : Bad("default_model_filename: " + path.status().message());
  }

  template <typename Tensor>
  Status ToSpec(const Tensor& tensor, const std::string& kind, std::set<std::string>& names,
                TensorSpec& spec) {
    if (tensor.name().empty()) return Bad("model " + kind + " must specify 'name'");
    const std::string what = kind + " '" + tensor.name() + "'";
    if (!names.insert(tensor.name()).second) return Bad(what + " is given twice");
    spec.name = tensor.name();
    spec.datatype = ToDataType(tensor.data_type());
    Result<Shape> dims = ToShape(tensor.dims(), what);
    if (!dims.ok()) return Bad(dims.status().message());
    spec.dims = *dims;
    return {};
  }

  Status Tensors() {
    std::set<std::string> names;
    for (const auto& input : proto_.input()) {
      TensorSpec spec;
      COTENANT_RETURN_IF_ERROR(ToSpec(input, "input", names, spec));
      spec.optional = input.optional();
      config_.inputs.push_back(std::move(spec));
    }
    names.clear();
    for (const auto& output : proto_.output()) {
      TensorSpec spec;
      COTENANT_RETURN_IF_ERROR(ToSpec(output, "output", names, spec));
      spec.label_filename = output.label_filename();
      COTENANT_RETURN_IF_ERROR(Labels(spec));
      config_.outputs.push_back(std::move(spec));
    }
    return {};
  }

  Status Labels(TensorSpec& spec) {
    if (spec.label_filename.empty()) return {};
    const std::string what = "label_filename of output '" + spec.name + "': ";
    Result<fs::path> path = PathWithin(place_.folder, spec.label_filename);
    if (!path.ok()) return Bad(what + path.status().message());
    Result<std::string> text = ReadFile(*path, kLabelFileBytesMax);
    if (!text.ok()) return Bad(what + text.status().message());
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      spec.labels.push_back(std::move(line));
    }
    return {};
  }

  Status Versions() {
    const auto& policy = proto_.version_policy();
    VersionPolicy& result = config_.version_policy;
    if (policy.has_all()) result.kind = VersionPolicy::Kind::kAll;
    if (policy.has_latest()) {
      // Triton reads a missing number as 1.
      result.latest_count = std::max(1u, policy.latest().num_versions());
    }
    if (policy.has_specific()) {
      result.kind = VersionPolicy::Kind::kSpecific;
      result.specific.assign(policy.specific().versions().begin(),
                             policy.specific().versions().end());
      if (result.specific.empty()) {
        return Bad("version_policy: 'specific' must name one version or more");
      }
    }
    return {};
  }

  Result<QueuePolicy> ToQueuePolicy(const inference::ModelQueuePolicy& policy) const {
    QueuePolicy result;
    if (policy.timeout_action() == inference::ModelQueuePolicy::DELAY) {
      result.timeout_action = TimeoutAction::kDelay;
    }
    result.default_timeout = Microseconds(policy.default_timeout_microseconds());
    result.allow_timeout_override = policy.allow_timeout_override();
    result.waiting_max = policy.max_queue_size();
    const bool delays =
        result.timeout_action == TimeoutAction::kDelay && result.default_timeout > Duration();
    if (delays && proto_.dynamic_batching().preserve_ordering()) {
      return Bad(
          "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is "
          "true for " +
          config_.name);
    }
    return result;
  }

  Status Batching() {
    if (!proto_.has_dynamic_batching()) return {};
    const auto& batching = proto_.dynamic_batching();
    DynamicBatching result;
    for (std::int32_t size : batching.preferred_batch_size()) {
      if (size <= 0) {
        return Bad("dynamic batching preferred size must be positive for " + config_.name);
      }
      result.preferred_sizes.push_back(size);
    }
    std::ranges::sort(result.preferred_sizes);
    result.queue_delay_max = Microseconds(batching.max_queue_delay_microseconds());
    result.preserve_ordering = batching.preserve_ordering();
    Result<QueuePolicy> policy = ToQueuePolicy(batching.default_queue_policy());
    if (!policy.ok()) return policy.status();
    result.default_policy = *policy;
    COTENANT_RETURN_IF_ERROR(Priorities(batching, result));
    config_.batching = std::move(result);
    return {};
  }

  Status Priorities(const inference::ModelDynamicBatching& batching, DynamicBatching& result) {
    const std::uint64_t levels = batching.priority_levels();
    if (levels > std::numeric_limits<std::uint32_t>::max()) {
      return Bad("priority_levels: at most 4294967295, got " + std::to_string(levels));
    }
    result.priority_levels = static_cast<std::uint32_t>(levels);
    const std::string range = "[1, " + std::to_string(levels) + "] for " + config_.name;
    if (levels == 0) return {};
    if (batching.default_priority_level() == 0 || batching.default_priority_level() > levels) {
      return Bad("default priority level must be in range " + range);
    }
    result.default_priority_level = static_cast<std::uint32_t>(batching.default_priority_level());
    if (batching.preserve_ordering() && levels > 1) {
      return Bad("Only one priority level is allowed when 'preserve_ordering' is true for " +
                 config_.name);
    }
    for (const auto& [level, queue_policy] : batching.priority_queue_policy()) {
      if (level == 0 || level > levels) {
        return Bad("priority queue policy must have priority level in range " + range);
      }
      Result<QueuePolicy> policy = ToQueuePolicy(queue_policy);
      if (!policy.ok()) return policy.status();
      result.priority_policies[static_cast<std::uint32_t>(level)] = *policy;
    }
    return {};
  }

  Status Warmups() {
    for (const auto& sample : proto_.model_warmup()) {
      Warmup warmup;
      warmup.name = sample.name();
      warmup.batch_size = sample.batch_size();
      warmup.count = std::max(1u, sample.count());
      // A map has no order of its own: sorted, so that every reading gives the same.
      std::set<std::string> names;
      for (const auto& entry : sample.inputs()) names.insert(entry.first);
      for (const std::string& name : names) {
        WarmupInput input;
        input.name = name;
        COTENANT_RETURN_IF_ERROR(ToWarmupInput(sample, sample.inputs().at(name), input));
        warmup.inputs.push_back(std::move(input));
      }
      config_.warmups.push_back(std::move(warmup));
    }
    return {};
  }

  Status ToWarmupInput(const inference::ModelWarmup& sample,
                       const inference::ModelWarmup::Input& from, WarmupInput& input) {
    const std::string what = "model_warmup '" + sample.name() + "', input '" + input.name + "'";
    input.datatype = ToDataType(from.data_type());
    if (input.datatype == DataType::kInvalid) return Bad(what + " must specify 'data_type'");
    for (std::int64_t dim : from.dims()) {
      if (dim < 0) return Bad(what + ": dims must be given in full, got " + std::to_string(dim));
    }
    Result<Shape> dims = ToShape(from.dims(), what);
    if (!dims.ok()) return Bad(dims.status().message());
    input.dims = *dims;
    switch (from.input_data_type_case()) {
      case inference::ModelWarmup::Input::kRandomData:
        input.kind = WarmupInput::Kind::kRandom;
        break;
      case inference::ModelWarmup::Input::kInputDataFile: {
        input.kind = WarmupInput::Kind::kFile;
        Result<fs::path> path = PathWithin(place_.folder / "warmup", from.input_data_file());
        if (!path.ok()) return Bad(what + ": " + path.status().message());
        std::error_code error;
        if (!fs::is_regular_file(*path, error)) {
          return Bad(what + ": there is no file '" + path->string() + "'");
        }
        input.file = fs::absolute(*path).string();
        break;
      }
      case inference::ModelWarmup::Input::kZeroData: break;
      case inference::ModelWarmup::Input::INPUT_DATA_TYPE_NOT_SET:
        return Bad(what + " must specify one of zero_data, random_data or input_data_file");
    }
    return {};
  }

  const inference::ModelConfig& proto_;
  const ModelPlace& place_;
  std::vector<std::string>& warnings_;
  ModelConfig config_;
};

}  // namespace

Result<ModelConfig> ToModelConfig(ConfigText& text, const ModelPlace& place) {
  return Conversion(text.config, place, text.warnings).Run();
}

Result<std::string> ReadFile(const fs::path& path, std::int64_t bytes_max) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return NotFound("there is no file '" + path.string() + "'");
  }
  const auto size = fs::file_size(path, error);
  if (error) return Unavailable("'" + path.string() + "': " + error.message());
  if (size > static_cast<std::uintmax_t>(bytes_max)) {
    return ResourceExhausted("'" + path.string() + "' has " + std::to_string(size) +
                             " bytes, at most " + std::to_string(bytes_max) + " are read");
  }
  std::ifstream stream(path, std::ios::binary);
  std::string content(static_cast<std::size_t>(size), '\0');
  stream.read(content.data(), static_cast<std::streamsize>(size));
  if (!stream) return Unavailable("'" + path.string() + "' cannot be read");
  return content;
}

Result<fs::path> PathWithin(const fs::path& folder, const std::string& name) {
  const fs::path path(name);
  bool inside = !name.empty() && path.is_relative() && name.find('\0') == std::string::npos;
  for (const fs::path& part : path) inside = inside && part != "..";
  if (!inside) return InvalidArgument("'" + name + "' is not a file within the model's folder");
  return folder / path;
}

}  // namespace cotenant
