#pragma once

/// Reads `cotenant.toml` in a model's folder: what Triton's configuration cannot say. Its variants,
/// how accurate they are, and how they may be used.
///
/// All mistakes are told at once, with file, line and column. Nothing is kept between calls.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/model_source.h"
#include "catalog/variant.h"

namespace cotenant {

struct ModelFile {
  struct Declared {
    VariantSource variant;  ///< Without its place on disk.
    std::string file;       ///< In the version's folder. Empty: by convention, from its name.
    std::string place;      ///< "m/cotenant.toml:3:13", for messages about the file.
  };

  VariantUse use;
  std::vector<Declared> variants;
};

Result<ModelFile> ParseModelFile(std::string_view text, const std::string& file);
/// Empty when there is no such file.
Result<ModelFile> ReadModelFile(const std::filesystem::path& path);

/// The variants of one version: those declared, and networks that lie beside its own as
/// `model.NAME.onnx`. A declared file that is not there is a warning: another version may have it.
std::vector<VariantSource> VariantsIn(const std::filesystem::path& version_folder,
                                      const ModelFile& declared, const std::string& network,
                                      std::vector<std::string>& warnings);

}  // namespace cotenant
