#include "protocol/http/raw_request.h"

#include <cstdint>

#include "protocol/http/json_request.h"

namespace cotenant {
Status ReadRaw(std::span<const std::byte> body, const ModelConfig& config, Buffer& arena,
               InferCall& call) {
  const std::string model = "model '" + config.name + "'";
  if (config.inputs.size() != 1) {
    return InvalidArgument("a raw binary request needs a model with one input, but " + model +
                           " has " + std::to_string(config.inputs.size()));
  }
  const TensorSpec& spec = config.inputs.front();
  std::int64_t known = 1;
  std::size_t open = 0;
  for (std::int64_t dim : spec.dims.dims()) {
    if (dim < 0) {
      ++open;
    } else if (__builtin_mul_overflow(known, dim, &known)) {
      return InvalidArgument("input '" + spec.name + "' of " + model + " has too many elements");
    }
  }
  if (open > 1) {
    return InvalidArgument("input '" + spec.name + "' of " + model + " has shape " +
                           spec.dims.ToString() +
                           "; a raw binary request needs at most one dimension of -1");
  }
  std::int64_t elements = 0;
  if (spec.datatype == DataType::kBytes) {
    if (open > 0 || known != 1) {
      return InvalidArgument("For BYTE datatype raw input '" + spec.name +
                             "', the model must have input shape [1]");
    }
    const auto length = static_cast<std::uint32_t>(body.size());
    const std::size_t begin = arena.size();
    if (!arena.ReserveMore(sizeof length + body.size())) {
      return ResourceExhausted("no memory for the request's " + std::to_string(length) + " bytes");
    }
    arena.Append(&length, sizeof length);
    arena.Append(body.data(), body.size());
    body = {arena.data() + begin, sizeof length + body.size()};
    elements = 1;
  } else {
    const std::size_t size = ElementSize(spec.datatype);
    if (body.size() % size != 0) {
      return InvalidArgument("input '" + spec.name + "': the body has " +
                             std::to_string(body.size()) + " bytes, which are no whole number of " +
                             std::string(DataTypeName(spec.datatype)) + " elements");
    }
    elements = static_cast<std::int64_t>(body.size() / size);
  }
  if (open == 1 && (known == 0 || elements % known != 0)) {
    return InvalidArgument("input '" + spec.name + "': " + std::to_string(elements) +
                           " elements do not fill shape " + spec.dims.ToString());
  }
  NamedInput input;
  input.name = spec.name;
  input.datatype = spec.datatype;
  if (config.max_batch_size > 0) input.shape.TryAppend(1);
  for (std::int64_t dim : spec.dims.dims()) {
    input.shape.TryAppend(dim < 0 ? elements / known : dim);
  }
  input.bytes = body;
  call.inputs.push_back(input);
  call.default_tag = kBinaryTag;
  return Status();
}

}  // namespace cotenant
