#include "config/network_hash.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/sha256.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr int kFolderDepthMax = 4;

/// Another variant of the model: nothing that this network reads.
bool IsOtherNetwork(const fs::path& path, const fs::path& network) {
  const std::string name = path.filename().string();
  return name != network.filename() && path.extension() == ".onnx" && name.starts_with("model");
}

}  // namespace

Result<std::string> FileHash(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("'" + path.string() + "': " + std::strerror(errno));
  Sha256 hash;
  std::array<char, 1 << 16> piece;
  while (file) {
    file.read(piece.data(), piece.size());
    hash.Add(std::string_view(piece.data(), static_cast<std::size_t>(file.gcount())));
  }
  if (file.bad()) return NotFound("'" + path.string() + "' cannot be read");
  return hash.Finish();
}

Result<std::string> NetworkHash(const VersionFile& file) {
  if (file.content != nullptr) {
    Sha256 hash;
    hash.Add(*file.content);
    return hash.Finish();
  }
  const fs::path folder = fs::path(file.path).parent_path();
  std::map<std::string, fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it.depth() >= kFolderDepthMax) it.disable_recursion_pending();
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    if (it.depth() == 0 && IsOtherNetwork(it->path(), file.path)) continue;
    files[it->path().lexically_relative(folder).string()] = it->path();
  }
  if (error || files.size() < 2) return FileHash(file.path);
  Sha256 lines;
  // Of the files in one folder each may be a network, whatever its name: which one is meant is part
  // of it.
  lines.Add(fs::path(file.path).filename().string() + "\n");
  for (const auto& [name, path] : files) {
    Result<std::string> hash = FileHash(path);
    if (!hash.ok()) return hash.status();
    lines.Add(*hash + "  " + name + "\n");
  }
  return lines.Finish();
}

}  // namespace cotenant
