#include "server/validation.h"

#include <cstring>
#include <optional>

#include "base/quoted.h"

namespace cotenant {
namespace {

/// Triton begins every error about a request with its id.
Status Wrong(const InferCall& call, std::string text) {
  return InvalidArgument("[request id: " + (call.id.empty() ? "<id_unknown>" : call.id) + "] " +
                         std::move(text));
}

std::optional<std::size_t> FindSpec(const std::vector<TensorSpec>& specs, std::string_view name) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return i;
  }
  return std::nullopt;
}

std::string FullShape(const ModelConfig& config, const TensorSpec& spec) {
  Shape full;
  if (config.max_batch_size > 0) full.Append(-1);
  for (std::int64_t dim : spec.dims.dims()) {
    if (!full.TryAppend(dim)) break;
  }
  return full.ToString();
}

Status CheckShape(const InferCall& call, const ModelConfig& config, const TensorSpec& spec,
                  const NamedInput& input) {
  const bool batched = config.max_batch_size > 0;
  const std::size_t skip = batched ? 1 : 0;
  bool fits = input.shape.rank() == spec.dims.rank() + skip;
  for (std::size_t i = 0; fits && i < spec.dims.rank(); ++i) {
    const std::int64_t want = spec.dims[i];
    fits = want < 0 ? input.shape[i + skip] >= 0 : input.shape[i + skip] == want;
  }
  if (!fits) {
    std::string text = "unexpected shape for input " + Quoted(spec.name) + " for model " +
                       Quoted(config.name) + ". Expected " + FullShape(config, spec) + ", got " +
                       input.shape.ToString() + ".";
    if (batched) {
      text +=
          " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension "
          "to be prepended to each input shape. If you want to specify the full shape including "
          "the "
          "batch dim in your input dims config, try setting max_batch_size to zero. See the model "
          "configuration docs for more info on max_batch_size.";
    }
    return Wrong(call, std::move(text));
  }
  return Status();
}

Status CheckBytes(const InferCall& call, const ModelConfig& config, const NamedInput& input) {
  const std::int64_t elements = input.shape.ElementCount();
  if (elements < 0) {
    return Wrong(call, "shape " + input.shape.ToString() + " of input " + Quoted(input.name) +
                           " for model " + Quoted(config.name) +
                           " has a negative dimension or too many elements");
  }
  const std::size_t have = input.bytes.size();
  if (input.datatype != DataType::kBytes) {
    std::size_t want = 0;
    if (__builtin_mul_overflow(static_cast<std::size_t>(elements), ElementSize(input.datatype),
                               &want) ||
        want != have) {
      return Wrong(call, "input byte size mismatch for input " + Quoted(input.name) +
                             " for model " + Quoted(config.name) + ". Expected " +
                             std::to_string(want) + ", got " + std::to_string(have));
    }
    return Status();
  }
  std::size_t offset = 0;
  std::int64_t found = 0;
  while (offset < have) {
    std::uint32_t length = 0;
    if (have - offset < sizeof(length)) break;
    std::memcpy(&length, input.bytes.data() + offset, sizeof(length));
    offset += sizeof(length);
    if (have - offset < length) {
      return Wrong(call, "incomplete string data for inference input " + Quoted(input.name) +
                             ", expecting string of length " + std::to_string(length) +
                             " but only " + std::to_string(have - offset) + " bytes available");
    }
    offset += length;
    ++found;
  }
  if (offset != have) {
    return Wrong(call, "incomplete string length indicator for inference input " +
                           Quoted(input.name) + ", expecting 4 bytes but only " +
                           std::to_string(have - offset) + " bytes available");
  }
  if (found != elements) {
    return Wrong(call, "expected " + std::to_string(elements) +
                           " string elements for inference input " + Quoted(input.name) + ", got " +
                           std::to_string(found));
  }
  return Status();
}

Status CheckRows(const InferCall& call, const ModelConfig& config, const NamedInput& input,
                 std::int32_t& rows, bool first) {
  const std::int64_t dim = input.shape[0];
  if (first) {
    if (dim < 1 || dim > config.max_batch_size) {
      const std::string limit = dim < 1 ? ">= 1" : "<= " + std::to_string(config.max_batch_size);
      return Wrong(call,
                   "inference request batch-size must be " + limit + " for " + Quoted(config.name));
    }
    rows = static_cast<std::int32_t>(dim);
  } else if (dim != rows) {
    return Wrong(call, "input " + Quoted(input.name) +
                           " batch size does not match other inputs for " + Quoted(config.name));
  }
  return Status();
}

Status MissingInputs(const InferCall& call, const ModelConfig& config) {
  std::string got;
  for (const NamedInput& input : call.inputs) {
    got += (got.empty() ? "" : ",") + Quoted(input.name);
  }
  std::string missing;
  for (const TensorSpec& spec : config.inputs) {
    bool given = spec.optional;
    for (const NamedInput& input : call.inputs) given = given || input.name == spec.name;
    if (!given) missing += (missing.empty() ? "" : ",") + Quoted(spec.name);
  }
  if (missing.empty()) return Status();
  return Wrong(call, "expected " + std::to_string(config.inputs.size()) + " inputs but got " +
                         std::to_string(call.inputs.size()) + " inputs for model " +
                         Quoted(config.name) + ". Got input(s) [" + got +
                         "], but missing required input(s) [" + missing +
                         "]. Please provide all required input(s).");
}

/// FNV-1a over words: cheap, and the same on every machine.
void Mix(std::uint64_t& hash, std::uint64_t word) { hash = (hash ^ word) * 0x100000001b3ULL; }

Status ResolveOutputs(const ServedModel& model, InferCall& call, ResolvedCall& resolved) {
  const ModelConfig& config = model.config();
  const auto bit_of = [&](std::size_t i) {
    const std::uint32_t index = model.OutputIndex(i);
    return index < 64 ? std::uint64_t{1} << index : ~std::uint64_t{0};
  };
  if (call.wanted.empty()) {
    for (std::size_t i = 0; i < config.outputs.size(); ++i) resolved.output_mask |= bit_of(i);
  }
  for (std::size_t i = 0; i < call.wanted.size(); ++i) {
    const std::string_view name = call.wanted[i].name;
    const auto found = FindSpec(config.outputs, name);
    if (!found) {
      return Wrong(call, "unexpected inference output " + Quoted(name) + " for model " +
                             Quoted(config.name));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (call.wanted[j].name == name) {
        return Wrong(call, "output " + Quoted(name) + " already exists in request");
      }
    }
    call.wanted[i].index = static_cast<std::uint32_t>(*found);
    resolved.output_mask |= bit_of(*found);
  }
  return Status();
}

}  // namespace

Result<ResolvedCall> Resolve(const ServedModel& model, InferCall& call,
                             std::vector<InputTensor>& tensors) {
  const ModelConfig& config = model.config();
  ResolvedCall resolved;
  resolved.batch_key = 0xcbf29ce484222325ULL;
  tensors.clear();
  std::uint64_t seen = 0;
  bool first = true;
  for (const NamedInput& input : call.inputs) {
    const auto found = FindSpec(config.inputs, input.name);
    if (!found) {
      return Wrong(call, "unexpected inference input " + Quoted(input.name) + " for model " +
                             Quoted(config.name));
    }
    const TensorSpec& spec = config.inputs[*found];
    for (const InputTensor& earlier : tensors) {
      if (earlier.index == model.InputIndex(*found)) {
        return Wrong(call, "input " + Quoted(input.name) + " already exists in request");
      }
    }
    if (input.datatype != spec.datatype) {
      return Wrong(call, "inference input " + Quoted(input.name) + " data-type is '" +
                             std::string(DataTypeName(input.datatype)) + "', but model " +
                             Quoted(config.name) + " expects '" +
                             std::string(DataTypeName(spec.datatype)) + "'");
    }
    COTENANT_RETURN_IF_ERROR(CheckShape(call, config, spec, input));
    if (config.max_batch_size > 0) {
      COTENANT_RETURN_IF_ERROR(CheckRows(call, config, input, resolved.rows, first));
      first = false;
    }
    COTENANT_RETURN_IF_ERROR(CheckBytes(call, config, input));
    tensors.push_back({model.InputIndex(*found), input.datatype, input.shape, input.bytes});
    Mix(resolved.batch_key, *found);
    for (std::size_t i = 1; i < input.shape.rank(); ++i) {
      Mix(resolved.batch_key, static_cast<std::uint64_t>(input.shape[i]));
    }
    ++seen;
  }
  if (seen != config.inputs.size()) COTENANT_RETURN_IF_ERROR(MissingInputs(call, config));
  COTENANT_RETURN_IF_ERROR(ResolveOutputs(model, call, resolved));
  return resolved;
}

}  // namespace cotenant
