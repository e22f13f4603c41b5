#include "config/profile_store.h"

#include <algorithm>

#include "config/network_hash.h"
#include "config/profile_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

using Entry = MachineProfile::Model;

bool IsSame(const Entry& a, const Entry& b) {
  return a.profile.model == b.profile.model && a.profile.version == b.profile.version;
}

/// The entry of this network, if possible under this name; a copy under another name will do.
const Entry* FindNetwork(const MachineProfile& machine, const std::string& model,
                         const std::string& hash) {
  const Entry* found = nullptr;
  for (const Entry& entry : machine.models) {
    if (entry.hash != hash) continue;
    if (entry.profile.model == model) return &entry;
    if (found == nullptr) found = &entry;
  }
  return found;
}

}  // namespace

ProfileStore::ProfileStore(fs::path state_dir, std::vector<fs::path> repositories,
                           ProfiledMachine machine)
    : state_dir_(std::move(state_dir)),
      repositories_(std::move(repositories)),
      machine_(std::move(machine)) {}

fs::path ProfileStore::StateFile() const {
  return state_dir_.empty() ? fs::path() : state_dir_ / kProfileFileName;
}

std::optional<fs::path> ProfileStore::FolderOf(const std::string& model) const {
  for (const std::string_view name : {std::string_view(model), ModelOfTitle(model)}) {
    for (const fs::path& repository : repositories_) {
      std::error_code error;
      if (!name.empty() && fs::is_directory(repository / name, error)) return repository / name;
    }
  }
  return std::nullopt;
}

std::string ProfileStore::StaleKeys(const MachineProfile& machine) const {
  std::string keys;
  const auto compare = [&](const char* key, const std::string& measured, const std::string& here) {
    if (measured == here) return;
    keys += (keys.empty() ? "" : ", ") + std::string(key) + " '" + measured + "' and not '" + here +
            "'";
  };
  compare("CPU", machine.cpu, machine_.cpu);
  compare("ONNX Runtime", machine.onnxruntime_version, machine_.onnxruntime_version);
  return keys;
}

ProfileStore::Found ProfileStore::FindIn(const fs::path& path, const std::string& model,
                                         const VersionFile& file,
                                         std::optional<Result<std::string>>& hash) const {
  std::error_code error;
  if (path.empty() || !fs::exists(path, error)) return {};
  Result<MachineProfile> machine = ReadProfileFile(path);
  if (!machine.ok()) return {std::nullopt, "profile not used: " + machine.status().message()};
  const auto is_named = [&](const Entry& entry) {
    return entry.profile.model == model && entry.profile.version == file.version;
  };
  const bool named = std::ranges::any_of(machine->models, is_named);
  const std::string subject = "the profile of model '" + model + "' version " +
                              std::to_string(file.version) + " in '" + path.string() +
                              "' is stale and not used: it is of ";
  if (const std::string keys = StaleKeys(*machine); !keys.empty()) {
    return {std::nullopt, named ? subject + keys : ""};
  }
  if (machine->models.empty()) return {};
  if (!hash) hash = NetworkHash(file);
  if (!hash->ok()) return {std::nullopt, "profile not used: " + hash->status().message()};
  const Entry* entry = FindNetwork(*machine, model, hash->value());
  if (entry == nullptr) {
    return {std::nullopt, named ? subject + "a network with another content (hash)" : ""};
  }
  return {entry->profile, ""};
}

ProfileStore::Found ProfileStore::Find(const std::string& model, const VersionFile& file) const {
  std::optional<Result<std::string>> hash;
  Found found = FindIn(StateFile(), model, file, hash);
  if (found.profile) return found;
  const std::optional<fs::path> folder = FolderOf(model);
  if (!folder) return found;
  Found beside = FindIn(*folder / kProfileFileName, model, file, hash);
  return beside.profile || found.remark.empty() ? beside : found;
}

Status ProfileStore::Save(MachineProfile measured) const {
  const fs::path path = StateFile();
  if (path.empty()) {
    return FailedPrecondition(
        "no state directory: neither XDG_STATE_HOME nor HOME is set; "
        "give --state-dir");
  }
  std::error_code error;
  fs::create_directories(state_dir_, error);
  if (error) return Unavailable("'" + state_dir_.string() + "': " + error.message());
  // A file that cannot be read is replaced.
  if (Result<MachineProfile> before = ReadProfileFile(path);
      before.ok() && StaleKeys(*before).empty()) {
    for (Entry& entry : before->models) {
      const bool anew = std::ranges::any_of(
          measured.models, [&](const Entry& other) { return IsSame(entry, other); });
      if (!anew) measured.models.push_back(std::move(entry));
    }
    if (measured.costs.read.empty()) measured.costs = std::move(before->costs);
  }
  std::ranges::sort(measured.models, [](const Entry& a, const Entry& b) {
    return std::pair(a.profile.model, a.profile.version) <
           std::pair(b.profile.model, b.profile.version);
  });
  return WriteProfileFile(path, measured);
}

Status ProfileStore::SaveBeside(const MachineProfile& measured, const std::string& model) const {
  const std::optional<fs::path> folder = FolderOf(model);
  if (!folder) return NotFound("model '" + model + "' has no folder to write its profile to");
  MachineProfile own = measured;
  std::erase_if(own.models, [&](const Entry& entry) {
    const std::string& name = entry.profile.model;
    return name != model && ModelOfTitle(name) != model;
  });
  return WriteProfileFile(*folder / kProfileFileName, own);
}

}  // namespace cotenant
