#pragma once

/// The cache of prepared networks on disk: for each network a folder with its forms and a manifest.
///
/// Files in it are mapped by servers, so none is ever changed in place: a folder is built beside,
/// synced, and renamed; one that is replaced or removed lives on for who has it mapped. A form
/// counts only while its files have the size and the SHA-256 of the manifest; that is checked
/// before it is first used by this process, and again when a file's facts (size, times, inode)
/// changed. The folder may be copied to another box with the same CPU and ONNX Runtime. Calls block
/// on files. Any thread; several processes may use one cache.

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "catalog/model_config.h"
#include "config/prepared_manifest.h"

namespace cotenant {

/// What of a model's own options changes an optimised graph: "" for the defaults.
std::string PreparedOptionsText(const RuntimeOptions& runtime);

class PreparedStore {
 public:
  /// `folder` may be empty (there is no cache) or not exist.
  explicit PreparedStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  struct Found {
    std::optional<PreparedNetwork> network;
    std::filesystem::path folder;  ///< Its own; a form's files lie in a folder of the form's name.
    /// For the log when something is there that is not used; names the file.
    std::string remark;
  };
  /// Without the forms, and with no tries made, when a file of one is not what it must be.
  Found Find(const PreparedKey& key);
  /// It is the last to leave from now on, when the cache is full.
  void NoteUse(const PreparedKey& key) const;

  /// An empty folder in the cache, for building. What builders that ended left behind is removed.
  Result<std::filesystem::path> BeginBuild() const;
  /// Puts what was built in the network's place: sizes and hashes of the forms' files are taken
  /// here, and everything is on the disk when it returns. The building folder is gone afterwards,
  /// also after an error.
  Status Keep(const PreparedKey& key, PreparedNetwork network, const std::filesystem::path& built);
  /// Networks leave, the longest unused first, until the others take no more than this; those used
  /// since `unused_since` stay. Gives the names of those that left.
  std::vector<std::string> LimitSize(Bytes most,
                                     std::filesystem::file_time_type unused_since) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path FolderOf(const PreparedKey& key) const;
  Status CheckFile(const std::filesystem::path& path, const PreparedFile& file);

  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, std::string> checked_;  ///< Path → facts when its hash was right.
};

}  // namespace cotenant
