#pragma once

/// Names what a version serves by its content, so that a profile belongs to exactly one network.
/// Blocks: it reads all of the files.

#include <filesystem>
#include <string>

#include "base/result.h"
#include "catalog/model_source.h"

namespace cotenant {

/// 64 hexadecimal digits: the SHA-256 of the network. Where other files lie beside it in its folder
/// (external weights), it is that of the lines that `sha256sum` prints for all of them, sorted by
/// name. Other networks there, `model*.onnx`, are other variants and do not count. NotFound names a
/// file that cannot be read.
Result<std::string> NetworkHash(const VersionFile& file);

/// The SHA-256 of one file. NotFound names one that cannot be read.
Result<std::string> FileHash(const std::filesystem::path& path);

}  // namespace cotenant
