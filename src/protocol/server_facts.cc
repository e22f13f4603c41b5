#include "protocol/server_facts.h"

#include <memory>
#include <utility>

namespace cotenant {

Shape MetadataShape(const TensorSpec& tensor, std::int32_t max_batch_size) {
  if (max_batch_size <= 0) return tensor.dims;
  Shape shape{-1};
  for (std::int64_t dim : tensor.dims.dims()) shape.TryAppend(dim);
  return shape;
}

Status NotSupported(std::string_view what) {
  return Unimplemented(std::string(what) + " is not supported");
}

Status TakeLoadParameter(std::string_view name, std::string value, LoadOverride& override_) {
  constexpr std::string_view kFile = "file:";
  if (name == "config") {
    override_.config_json = std::move(value);
    return Status();
  }
  if (name.starts_with(kFile) && name.size() > kFile.size()) {
    override_.files[std::string(name.substr(kFile.size()))] =
        std::make_shared<const std::string>(std::move(value));
    return Status();
  }
  return InvalidArgument("unrecognized load parameter '" + std::string(name) +
                         "'; expected 'config' or 'file:VERSION/FILE'");
}

Status SharedMemoryRefused(std::string_view tensor) {
  return Unimplemented("tensor '" + std::string(tensor) +
                       "' is given by 'shared_memory_region', but shared memory is not supported");
}

}  // namespace cotenant
