#pragma once

/// Reads a model's configuration, as text protobuf or as JSON, into the message of the wire
/// contract, and holds every field that is set against the table of fields.
///
/// Input is untrusted: nesting is limited, and nothing here ends the process. Pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model_config.pb.h"

namespace cotenant {

/// Messages within messages. The deepest real field is 6 down; text protobuf recurses per level.
inline constexpr int kConfigDepthMax = 100;

struct ConfigText {
  inference::ModelConfig config;
  /// Unknown names and ignored fields, each with file, line and column where the format has them.
  std::vector<std::string> warnings;
};

/// `file` is what messages call the text: "resnet/config.pbtxt". InvalidArgument with line and
/// column for bad syntax, Unimplemented for a refused field.
Result<ConfigText> ReadConfigText(std::string_view text, const std::string& file);
/// The same for the JSON of a load request, whose messages name fields but no lines.
Result<ConfigText> ReadConfigJson(std::string_view json, const std::string& file);

}  // namespace cotenant
