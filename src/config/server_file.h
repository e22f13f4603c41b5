#pragma once

/// Reads `cotenant.toml`: the server file, which declares tenants and policies and may set flags,
/// and the file of the same name in a model's folder.
///
/// Every mistake of a file is reported at once, each with file, line and column and what would have
/// been accepted. Blocks on the file.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/tenant.h"

namespace cotenant {

/// A flag that the file sets: [server] http-port = 8000.
struct ServerSetting {
  std::string flag;
  std::string value;
  std::string place;  ///< "cotenant.toml:3:13", for messages about the value.
};

struct ServerFile {
  NodeSettings settings;
  std::vector<ServerSetting> server;
};

/// `flags` are the keys that [server] may have. `file` is what messages call the text.
Result<ServerFile> ParseServerFile(std::string_view text, const std::string& file,
                                   std::span<const std::string_view> flags);
Result<ServerFile> ReadServerFile(const std::filesystem::path& path,
                                  std::span<const std::string_view> flags);

}  // namespace cotenant
