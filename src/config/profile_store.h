#pragma once

/// The measured profiles on disk: one file in the state directory for all models of this machine,
/// and a `profile.json` in a model's own folder for those that were shipped with one.
///
/// A profile counts only for what it was measured on: the network's content, ONNX Runtime's version
/// and the CPU. Holds no state but its options; every call looks at the disk anew and blocks on it.
/// Any thread.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/model_source.h"
#include "catalog/profile.h"

namespace cotenant {

/// The name of both files.
inline constexpr std::string_view kProfileFileName = "profile.json";

/// What runs here.
struct ProfiledMachine {
  std::string cpu;
  std::string onnxruntime_version;
};

class ProfileStore {
 public:
  /// `state_dir` may be empty (no such file) or not exist; `repositories` are those of the models.
  ProfileStore(std::filesystem::path state_dir, std::vector<std::filesystem::path> repositories,
               ProfiledMachine machine);

  struct Found {
    std::optional<ModelProfile> profile;
    /// For the log when there is one that is not used: stale, or not to be read.
    std::string remark;
  };
  /// The profile to go by: the state directory's, else the one beside the model. The network is
  /// read and hashed only when a profile might be its own. Of a variant, `model` is its title.
  Found Find(const std::string& model, const VersionFile& file) const;

  /// Puts what was measured into the state directory's file, which is made if need be. Other models
  /// stay when they were measured on the same CPU and ONNX Runtime; without new node costs the old
  /// ones stay too.
  Status Save(MachineProfile measured) const;
  /// Writes the model's part beside it, its variants' too, for shipping. NotFound when no
  /// repository has its folder.
  Status SaveBeside(const MachineProfile& measured, const std::string& model) const;

  /// Empty without a state directory.
  std::filesystem::path StateFile() const;

 private:
  std::optional<std::filesystem::path> FolderOf(const std::string& model) const;
  std::string StaleKeys(const MachineProfile& machine) const;
  Found FindIn(const std::filesystem::path& path, const std::string& model, const VersionFile& file,
               std::optional<Result<std::string>>& hash) const;

  std::filesystem::path state_dir_;
  std::vector<std::filesystem::path> repositories_;
  ProfiledMachine machine_;
};

}  // namespace cotenant
