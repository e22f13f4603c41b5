#include "protocol/http/raw_request.h"

#include <cstdint>
#include <cstring>

#include "protocol/http/json_request.h"

namespace cotenant {
namespace {

/// How many length-prefixed elements the bytes are; -1 when they are not.
std::int64_t CountBytesElements(std::span<const std::byte> bytes) {
  std::int64_t count = 0;
  while (!bytes.empty()) {
    std::uint32_t length = 0;
    if (bytes.size() < sizeof length) return -1;
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    if (bytes.size() < length) return -1;
    bytes = bytes.subspan(length);
    ++count;
  }
  return count;
}

}  // namespace

Status ReadRaw(std::span<const std::byte> body, const ModelConfig& config, InferCall& call) {
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
    elements = CountBytesElements(body);
    if (elements < 0) {
      return InvalidArgument("input '" + spec.name +
                             "': the body must be elements with a 4-byte length before each");
    }
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
