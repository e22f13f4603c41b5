#pragma once

/// A model's inputs as the server declares them: the answer to GET /v2/models/NAME.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/model_config.h"

namespace cotenant {

struct ModelMetadata {
  std::string name;
  /// Dimensions as declared, with the batch dimension where there is one; -1 means any.
  std::vector<TensorSpec> inputs;
};

/// InvalidArgument when it is not what the Open Inference Protocol describes.
Result<ModelMetadata> ParseModelMetadata(std::string_view json);

/// The text of an error answer: {"error": "…"}, or the body's beginning.
std::string ErrorText(std::string_view body);

}  // namespace cotenant
