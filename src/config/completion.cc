#include "config/completion.h"

#include <algorithm>

namespace cotenant {
namespace {

using Tensor = ModelSignature::Tensor;

bool IsBatched(const Tensor& tensor) { return !tensor.shape.empty() && tensor.shape[0] == -1; }

bool CanBatch(const ModelSignature& signature) {
  return std::ranges::all_of(signature.inputs, IsBatched) &&
         std::ranges::all_of(signature.outputs, IsBatched);
}

bool IsOpen(const TensorSpec& spec) {
  return spec.datatype == DataType::kInvalid || spec.dims.empty();
}

// Do the configuration and the network leave anything to fill?
bool IsOpen(const ModelConfig& config) {
  return config.inputs.empty() || config.outputs.empty() ||
         std::ranges::any_of(config.inputs, [](const auto& spec) { return IsOpen(spec); }) ||
         std::ranges::any_of(config.outputs, [](const auto& spec) { return IsOpen(spec); });
}

class Completion {
 public:
  Completion(ModelConfig& config, const CompletionOptions& options)
      : config_(config), options_(options) {}

  Status Run(const ModelSignature& signature) {
    COTENANT_RETURN_IF_ERROR(BatchSize(signature));
    COTENANT_RETURN_IF_ERROR(Tensors("input", signature.inputs, config_.inputs));
    COTENANT_RETURN_IF_ERROR(Tensors("output", signature.outputs, config_.outputs));
    return AllInputs(signature);
  }

 private:
  Status Bad(const std::string& message) const { return InvalidArgument(message); }

  Status BatchSize(const ModelSignature& signature) {
    const bool open = IsOpen(config_);
    if (open && !options_.complete) {
      return Bad("model '" + config_.name +
                 "' must specify all inputs and outputs, with data_type "
                 "and dims, because completing configurations is turned off");
    }
    if (open && CanBatch(signature)) {
      if (!config_.max_batch_size_given) config_.max_batch_size = options_.default_max_batch_size;
      if (config_.max_batch_size > 1 && !config_.batching) config_.batching.emplace();
    } else if (open && config_.max_batch_size > 0) {
      return Bad("autofill failed for model '" + config_.name +
                 "': model does not support "
                 "batching while non-zero max_batch_size is specified");
    }
    if (!config_.batching) return {};
    for (std::int32_t size : config_.batching->preferred_sizes) {
      if (size > config_.max_batch_size) {
        return Bad("dynamic batching preferred size must be <= max batch size for " + config_.name);
      }
    }
    return {};
  }

  Shape Dims(const Shape& full) const {
    Shape dims;
    for (std::size_t i = config_.max_batch_size > 0 ? 1 : 0; i < full.rank(); ++i) {
      dims.Append(full[i]);
    }
    return dims;
  }

  Status Tensors(const std::string& kind, const std::vector<Tensor>& network,
                 std::vector<TensorSpec>& specs) {
    if (specs.empty()) {
      for (const Tensor& tensor : network) specs.emplace_back().name = tensor.name;
    }
    for (TensorSpec& spec : specs) {
      const auto tensor = std::ranges::find(network, spec.name, &Tensor::name);
      if (tensor == network.end()) return Unexpected(kind, network, spec);
      if (spec.datatype == DataType::kInvalid) spec.datatype = tensor->datatype;
      if (spec.datatype != tensor->datatype) {
        return Bad("unable to load model '" + config_.name + "', configuration expects datatype " +
                   std::string(ConfigTypeName(spec.datatype)) + " for " + kind + " '" + spec.name +
                   "', model provides " + std::string(ConfigTypeName(tensor->datatype)));
      }
      COTENANT_RETURN_IF_ERROR(CheckDims(*tensor, spec));
    }
    return {};
  }

  Status Unexpected(const std::string& kind, const std::vector<Tensor>& network,
                    const TensorSpec& spec) const {
    std::string names;
    for (const Tensor& tensor : network) names += (names.empty() ? "" : ", ") + tensor.name;
    return Bad("unable to load model '" + config_.name + "', unexpected inference " + kind + " '" +
               spec.name + "', allowed " + kind + "s are: " + names);
  }

  Status CheckDims(const Tensor& tensor, TensorSpec& spec) const {
    const std::string what = "model '" + config_.name + "', tensor '" + spec.name + "': ";
    const bool batched = config_.max_batch_size > 0;
    if (batched && !IsBatched(tensor)) {
      return Bad(what +
                 "for the model to support batching the shape should have at least 1 "
                 "dimension and the first dimension must be -1; but shape expected by the model "
                 "is " +
                 tensor.shape.ToString());
    }
    const Shape network = Dims(tensor.shape);
    if (spec.dims.empty()) {
      spec.dims = network;
      return {};
    }
    bool agree = network.rank() == spec.dims.rank();
    for (std::size_t i = 0; agree && i < network.rank(); ++i) {
      agree = network[i] == -1 || spec.dims[i] == -1 || network[i] == spec.dims[i];
    }
    if (agree) return {};
    std::string full = spec.dims.ToString();
    if (batched) full = "[-1," + full.substr(1);
    return Bad(what + "the model expects " + std::to_string(tensor.shape.rank()) +
               " dimensions (shape " + tensor.shape.ToString() +
               ") but the model configuration specifies " +
               std::to_string(spec.dims.rank() + (batched ? 1 : 0)) + " dimensions (" +
               (batched ? "an initial batch dimension because max_batch_size > 0 followed by the "
                          "explicit tensor shape, making complete shape " +
                              full
                        : "shape " + full) +
               ")");
  }

  // Outputs may be left out; a network does not run without all of its inputs.
  Status AllInputs(const ModelSignature& signature) const {
    if (config_.inputs.size() == signature.inputs.size()) return {};
    return Bad("unable to load model '" + config_.name + "', configuration expects " +
               std::to_string(config_.inputs.size()) + " inputs, model provides " +
               std::to_string(signature.inputs.size()));
  }

  ModelConfig& config_;
  const CompletionOptions& options_;
};

}  // namespace

Result<ModelConfig> CompleteConfig(ModelConfig config, const ModelSignature& signature,
                                   const CompletionOptions& options) {
  COTENANT_RETURN_IF_ERROR(Completion(config, options).Run(signature));
  return config;
}

}  // namespace cotenant
