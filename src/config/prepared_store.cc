#include "config/prepared_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/sha256.h"
#include "config/network_hash.h"
#include "config/run_result_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kManifest = "manifest.json";
constexpr std::string_view kBuilding = "building-";
constexpr std::string_view kNetworks = "networks";

std::string FactsOf(const struct stat& facts) {
  return std::to_string(facts.st_size) + " " + std::to_string(facts.st_ino) + " " +
         std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec) + " " +
         std::to_string(facts.st_ctim.tv_sec) + "." + std::to_string(facts.st_ctim.tv_nsec);
}

Status SystemError(const fs::path& path, const std::error_code& error) {
  return Unavailable("'" + path.string() + "': " + error.message());
}

Status Sync(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  const std::error_code error(errno, std::generic_category());
  if (file >= 0) close(file);
  return synced ? Status() : SystemError(path, error);
}

/// All that lies below, then the folder itself.
Status SyncAll(const fs::path& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    COTENANT_RETURN_IF_ERROR(Sync(it->path()));
  }
  return error ? SystemError(folder, error) : Sync(folder);
}

/// A builder of another container looks ended from here; none works for so long.
constexpr std::chrono::hours kBuildsMax{1};

/// Builders that ended: their process is in the name.
void RemoveLeftovers(const fs::path& cache) {
  std::error_code error;
  std::vector<fs::path> left;
  for (fs::directory_iterator it(cache, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kBuilding)) continue;
    const long process = std::strtol(name.c_str() + kBuilding.size(), nullptr, 10);
    const bool ended = process > 0 && kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH;
    std::error_code ignored;
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(it->path(), ignored);
    if (ended && age > kBuildsMax) left.push_back(it->path());
  }
  for (const fs::path& path : left) fs::remove_all(path, error);
}

Bytes SizeOf(const fs::path& folder) {
  std::int64_t size = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) size += static_cast<std::int64_t>(it->file_size(ignored));
  }
  return Bytes(size);
}

Result<std::string> ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("'" + path.string() + "': " + std::strerror(errno));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return Unavailable("'" + path.string() + "' cannot be read");
  return text;
}

/// Notes size and hash of every file of the forms.
Status TakeFiles(const fs::path& built, PreparedNetwork& network) {
  for (PreparedForm& form : network.forms) {
    form.files.clear();
    std::error_code error;
    for (fs::directory_iterator it(built / form.name, error), end; !error && it != end;
         it.increment(error)) {
      Result<std::string> hash = FileHash(it->path());
      if (!hash.ok()) return hash.status();
      form.files.push_back({it->path().filename().string(),
                            Bytes(static_cast<std::int64_t>(it->file_size(error))),
                            *std::move(hash)});
      chmod(it->path().c_str(), 0444);
    }
    if (error) return SystemError(built / form.name, error);
    std::ranges::sort(form.files, {}, &PreparedFile::name);
  }
  return Status();
}

}  // namespace

std::string PreparedOptionsText(const RuntimeOptions& runtime) {
  std::string text;
  if (runtime.graph_optimization_level != RuntimeOptions().graph_optimization_level) {
    text = "level=" + std::to_string(runtime.graph_optimization_level) + "\n";
  }
  for (const auto& [key, value] : runtime.session_entries) text += key + "=" + value + "\n";
  return text;
}

fs::path PreparedStore::FolderOf(const PreparedKey& key) const {
  Sha256 hash;
  hash.Add(key.network + "\n" + key.cpu + "\n" + key.onnxruntime_version + "\n" + key.options);
  return folder_ / kNetworks / hash.Finish().substr(0, 32);
}

Status PreparedStore::CheckFile(const fs::path& path, const PreparedFile& file) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) {
    return NotFound("'" + path.string() + "': " + std::strerror(errno));
  }
  if (facts.st_size != file.size.count()) {
    return FailedPrecondition("'" + path.string() + "' has another size than its manifest says");
  }
  const std::string now = FactsOf(facts) + " " + file.sha256;
  {
    std::lock_guard lock(mutex_);
    if (checked_[path.string()] == now) return Status();
  }
  Result<std::string> hash = FileHash(path);
  if (!hash.ok()) return hash.status();
  if (*hash != file.sha256) {
    return FailedPrecondition("'" + path.string() + "' is not what was written (its hash differs)");
  }
  std::lock_guard lock(mutex_);
  checked_[path.string()] = now;
  return Status();
}

PreparedStore::Found PreparedStore::Find(const PreparedKey& key) {
  Found found;
  if (folder_.empty()) return found;
  found.folder = FolderOf(key);
  const fs::path manifest = found.folder / kManifest;
  std::error_code error;
  if (!fs::exists(manifest, error)) return found;
  Result<std::string> text = ReadText(manifest);
  if (!text.ok()) {
    found.remark = text.status().message();
    return found;
  }
  Result<PreparedNetwork> network = ParseManifest(key, *text);
  if (!network.ok()) {
    found.remark = "'" + manifest.string() + "': " + network.status().message();
    return found;
  }
  for (const PreparedForm& form : network->forms) {
    for (const PreparedFile& file : form.files) {
      Status status = CheckFile(found.folder / form.name / file.name, file);
      if (status.ok() || !found.remark.empty()) continue;
      found.remark = status.message();
    }
  }
  if (!found.remark.empty()) {
    network->forms.clear();
    network->tries = 0;
  }
  found.network = *std::move(network);
  return found;
}

void PreparedStore::NoteUse(const PreparedKey& key) const {
  // In a cache that is read-only nothing leaves either.
  if (!folder_.empty()) utimensat(AT_FDCWD, (FolderOf(key) / kManifest).c_str(), nullptr, 0);
}

Result<fs::path> PreparedStore::BeginBuild() const {
  if (folder_.empty()) {
    return FailedPrecondition(
        "no cache directory: neither XDG_CACHE_HOME nor HOME is set; give --cache-dir");
  }
  std::error_code error;
  fs::create_directories(folder_ / kNetworks, error);
  if (error) return SystemError(folder_ / kNetworks, error);
  RemoveLeftovers(folder_);
  // Unique where processes of several containers, of equal numbers, share the cache.
  std::string place =
      (folder_ / (std::string(kBuilding) + std::to_string(getpid()) + "-XXXXXX")).string();
  if (mkdtemp(place.data()) == nullptr) {
    return SystemError(place, std::error_code(errno, std::generic_category()));
  }
  return fs::path(place);
}

Status PreparedStore::Keep(const PreparedKey& key, PreparedNetwork network, const fs::path& built) {
  const fs::path place = FolderOf(key);
  const fs::path before = built.string() + ".before";
  const auto put = [&] {
    COTENANT_RETURN_IF_ERROR(TakeFiles(built, network));
    COTENANT_RETURN_IF_ERROR(
        WriteTextFile((built / kManifest).string(), ManifestText(key, network)));
    COTENANT_RETURN_IF_ERROR(SyncAll(built));
    std::error_code error;
    // A folder takes no other's place by one rename: readers may find none for a moment.
    fs::rename(place, before, error);
    fs::rename(built, place, error);
    if (error) return SystemError(place, error);
    return Sync(place.parent_path());
  };
  const Status status = put();
  std::error_code ignored;
  fs::remove_all(built, ignored);
  fs::remove_all(before, ignored);
  return status;
}

std::vector<std::string> PreparedStore::LimitSize(Bytes most,
                                                  fs::file_time_type unused_since) const {
  struct Entry {
    fs::file_time_type used;
    fs::path folder;
    Bytes size;
  };
  std::vector<Entry> entries;
  Bytes sum;
  std::error_code error;
  for (fs::directory_iterator it(folder_ / kNetworks, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    const Bytes size = SizeOf(it->path());
    sum += size;
    const fs::file_time_type used = fs::last_write_time(it->path() / kManifest, ignored);
    if (used < unused_since) entries.push_back({used, it->path(), size});
  }
  std::ranges::sort(
      entries, {}, [](const Entry& entry) { return std::pair(entry.used, entry.folder.string()); });
  std::vector<std::string> left;
  for (const Entry& entry : entries) {
    if (sum <= most) break;
    fs::remove_all(entry.folder, error);
    if (error) continue;
    sum -= entry.size;
    left.push_back(entry.folder.filename().string());
  }
  return left;
}

}  // namespace cotenant
