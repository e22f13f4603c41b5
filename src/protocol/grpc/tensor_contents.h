#pragma once

/// The typed form of a tensor (`InferTensorContents`) as raw bytes.

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"
#include "base/shape.h"
#include "catalog/datatype.h"
#include "grpc_service.pb.h"

namespace cotenant {

/// The bytes of a typed tensor: a view into the message where its form is already ours
/// (little-endian elements of the declared width), else into `scratch`, which is replaced.
/// InvalidArgument, naming input and field, when the wrong field is filled, when the number of
/// values is not what the shape needs, or when a value does not fit the datatype.
Result<std::span<const std::byte>> TypedContents(
    const inference::ModelInferRequest::InferInputTensor& input, const std::string& model,
    DataType datatype, const Shape& shape, std::string& scratch);

}  // namespace cotenant
