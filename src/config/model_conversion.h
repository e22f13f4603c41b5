#pragma once

/// From the wire contract's message to the plain `ModelConfig` that the rest of the program uses,
/// with the files that it names: labels and warm-up data.
///
/// Values are checked as Triton checks them, with its texts where they are known. Blocks on files.

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/model_config.h"
#include "config/config_text.h"

namespace cotenant {

/// Larger files of labels are a mistake. Raise it for networks of more classes.
inline constexpr std::int64_t kLabelFileBytesMax = 16 << 20;
/// Raise it for models whose configuration carries more warm-up samples than any seen.
inline constexpr std::int64_t kConfigFileBytesMax = 4 << 20;

struct ModelPlace {
  std::string name;              ///< The folder's name, which is the model's.
  std::filesystem::path folder;  ///< Where labels and warm-up data are.
  std::string file;              ///< What messages call the configuration: "resnet/config.pbtxt".
};

/// `text.warnings` gets remarks about parameters.
Result<ModelConfig> ToModelConfig(ConfigText& text, const ModelPlace& place);

/// A file's content. NotFound, or ResourceExhausted when it has more than `bytes_max`.
Result<std::string> ReadFile(const std::filesystem::path& path, std::int64_t bytes_max);

/// The path of a file that a configuration names, which must lie within the folder.
Result<std::filesystem::path> PathWithin(const std::filesystem::path& folder,
                                         const std::string& name);

}  // namespace cotenant
