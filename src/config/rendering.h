#pragma once

/// The completed configuration as the protocols return it: Triton's JSON and the wire contract's
/// bytes. Pure functions.

#include <string>

#include "catalog/model_config.h"
#include "catalog/model_source.h"
#include "model_config.pb.h"

namespace cotenant {

/// What was written, with the completed fields and the defaults that Triton fills in too.
RenderedConfig RenderConfig(const ModelConfig& config);

/// As Triton prints it: field names as in the contract, enumerations by name, 64 bit integers as
/// numbers, and scalars, lists and maps present even when empty.
std::string ConfigToJson(const google::protobuf::Message& message);

}  // namespace cotenant
