#include "config/directory_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "config/config_text.h"
#include "config/model_conversion.h"
#include "config/model_file.h"
#include "config/profile_file.h"
#include "config/profile_store.h"
#include "config/rendering.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// A folder deeper than this holds no part of a model; it also ends a circle of links.
constexpr int kFolderDepthMax = 8;
constexpr std::string_view kConfigFile = "config.pbtxt";

// Networks of other runtimes, by the name that Triton knows them by.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kForeignFiles = {{
    {"model.plan", "tensorrt"},
    {"model.savedmodel", "tensorflow"},
    {"model.graphdef", "tensorflow"},
    {"model.pt", "pytorch"},
    {"model.pt2", "pytorch"},
    {"model.xml", "openvino"},
    {"model.py", "python"},
    {"model.netdef", "caffe2"},
}};

std::optional<std::int64_t> ParseVersion(std::string_view name) {
  std::int64_t version = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  const bool whole = error == std::errc() && stop == name.data() + name.size();
  // As Triton: "0" and "007" are no versions.
  if (!whole || version <= 0 || name.starts_with('0')) return std::nullopt;
  return version;
}

std::set<std::int64_t> VersionsOnDisk(const fs::path& folder) {
  std::set<std::int64_t> versions;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const auto version = ParseVersion(it->path().filename().string());
    std::error_code ignored;
    if (version && it->is_directory(ignored)) versions.insert(*version);
  }
  return versions;
}

Result<std::vector<std::int64_t>> Choose(const std::set<std::int64_t>& present,
                                         const ModelConfig& config, const std::string& file,
                                         std::vector<std::string>& warnings) {
  std::vector<std::int64_t> chosen;
  switch (config.version_policy.kind) {
    case VersionPolicy::Kind::kAll: chosen.assign(present.begin(), present.end()); break;
    case VersionPolicy::Kind::kLatest: {
      const std::size_t count =
          std::min<std::size_t>(config.version_policy.latest_count, present.size());
      chosen.assign(std::prev(present.end(), static_cast<std::ptrdiff_t>(count)), present.end());
      break;
    }
    case VersionPolicy::Kind::kSpecific:
      for (std::int64_t version : config.version_policy.specific) {
        if (present.contains(version)) {
          chosen.push_back(version);
        } else {
          warnings.push_back(file + ": version " + std::to_string(version) + " is specified for '" +
                             config.name + "', but the version directory is not present");
        }
      }
      std::ranges::sort(chosen);
      chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
      break;
  }
  if (chosen.empty()) {
    return InvalidArgument(
        "at least one version must be available under the version policy of "
        "model '" +
        config.name + "'");
  }
  return chosen;
}

// A network too big for one file is a directory: the network itself is the `model.onnx` in it.
Result<std::string> NetworkFile(const fs::path& version_folder, const ModelConfig& config) {
  std::error_code error;
  fs::path path = version_folder / config.default_model_filename;
  if (fs::is_directory(path, error)) {
    const fs::path inner = path / "model.onnx";
    if (fs::is_regular_file(inner, error)) return fs::absolute(inner).string();
    std::vector<fs::path> found;
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() == ".onnx") found.push_back(it->path());
    }
    if (found.size() == 1) return fs::absolute(found[0]).string();
    return InvalidArgument("'" + path.string() + "' holds no 'model.onnx'");
  }
  if (fs::is_regular_file(path, error)) return fs::absolute(path).string();
  for (const auto& [name, backend] : kForeignFiles) {
    if (fs::exists(version_folder / name, error)) {
      return Unimplemented("model '" + config.name + "': '" + std::string(name) + "' is for the " +
                           "backend '" + std::string(backend) +
                           "', which is not supported, only 'onnxruntime'");
    }
  }
  return NotFound("model '" + config.name + "': there is no file '" + path.string() + "'");
}

Result<ConfigText> ReadConfig(const fs::path& folder, const std::string& name,
                              const LoadOverride& override_, bool must_exist) {
  if (!override_.config_json.empty()) {
    return ReadConfigJson(override_.config_json, "the load request's config of '" + name + "'");
  }
  const fs::path path = folder / kConfigFile;
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (must_exist) {
      return NotFound("model '" + name + "': there is no file '" + path.string() +
                      "', and completing configurations is turned off");
    }
    return ConfigText();
  }
  Result<std::string> text = ReadFile(path, kConfigFileBytesMax);
  if (!text.ok()) return text.status();
  return ReadConfigText(*text, path.string());
}

// "1/model.onnx" → version 1. Files beside the network itself cannot be given: ONNX Runtime reads a
// network of a load request from memory, without the folder that external data would lie in.
Result<std::vector<VersionFile>> FilesIn(const LoadOverride& override_, const ModelConfig& config,
                                         std::vector<std::string>& warnings) {
  std::vector<VersionFile> files;
  std::set<std::int64_t> present;
  for (const auto& [path, content] : override_.files) {
    const std::size_t slash = path.find('/');
    const auto version = ParseVersion(std::string_view(path).substr(0, slash));
    if (!version || slash == std::string::npos ||
        path.substr(slash + 1) != config.default_model_filename) {
      return InvalidArgument("file override '" + path + "' of model '" + config.name +
                             "': expected '<version>/" + config.default_model_filename + "'");
    }
    present.insert(*version);
    files.push_back({*version, "", content});
  }
  Result<std::vector<std::int64_t>> chosen = Choose(present, config, config.name, warnings);
  if (!chosen.ok()) return chosen.status();
  std::erase_if(files, [&](const VersionFile& file) {
    return !std::ranges::binary_search(*chosen, file.version);
  });
  std::ranges::sort(files, {}, &VersionFile::version);
  return files;
}

class Hash {
 public:
  void Add(std::string_view text) {
    for (char c : text) AddByte(static_cast<unsigned char>(c));
    AddByte(0);
  }
  void Add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) AddByte(static_cast<unsigned char>(number >> (8 * i)));
  }
  std::uint64_t value() const { return value_ == 0 ? 1 : value_; }

 private:
  // FNV-1a: fingerprints of one folder are compared with each other only, against accidents.
  void AddByte(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

bool IsProfileFile(std::string_view name) {
  return name == kProfileFileName || (name.starts_with(kProfileFileName) &&
                                      name.substr(kProfileFileName.size()) == kPartEnding);
}

// Gives the size of all files.
std::int64_t AddFolder(const fs::path& folder, int depth, Hash& hash) {
  std::int64_t size = 0;
  if (depth > kFolderDepthMax) return size;
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::ranges::sort(entries);
  for (const fs::path& path : entries) {
    struct stat facts {};
    // A measured profile tells how fast the model is and not what it is: it changes nothing served.
    if (depth == 0 && IsProfileFile(path.filename().string())) continue;
    if (::stat(path.c_str(), &facts) != 0) continue;
    hash.Add(path.filename().string());
    if (S_ISDIR(facts.st_mode)) {
      size += AddFolder(path, depth + 1, hash);
      hash.Add("/");
      continue;
    }
    hash.Add(static_cast<std::uint64_t>(facts.st_mtim.tv_sec));
    hash.Add(static_cast<std::uint64_t>(facts.st_mtim.tv_nsec));
    hash.Add(static_cast<std::uint64_t>(facts.st_size));
    hash.Add(static_cast<std::uint64_t>(facts.st_ino));
    size += facts.st_size;
  }
  return size;
}

bool IsModelName(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

DirectorySource::DirectorySource(std::vector<fs::path> roots, CompletionOptions options)
    : roots_(std::move(roots)), options_(options) {}

Result<std::vector<std::string>> DirectorySource::List() {
  std::set<std::string> names;
  for (const fs::path& root : roots_) {
    std::error_code error;
    for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      std::error_code ignored;
      if (IsModelName(name) && it->is_directory(ignored)) names.insert(name);
    }
    if (error) {
      return NotFound("model repository '" + root.string() + "': " + error.message());
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<fs::path> DirectorySource::Folder(std::string_view name) const {
  fs::path found;
  for (const fs::path& root : roots_) {
    const fs::path folder = root / name;
    std::error_code error;
    if (!IsModelName(name) || !fs::is_directory(folder, error)) continue;
    if (!found.empty()) {
      return InvalidArgument("model '" + std::string(name) +
                             "' is not unique: it lies in more than one model repository ('" +
                             found.parent_path().string() + "', '" + root.string() + "')");
    }
    found = folder;
  }
  if (found.empty()) {
    return NotFound("failed to load '" + std::string(name) +
                    "', failed to poll from model repository");
  }
  return found;
}

Result<ModelDescription> DirectorySource::Read(std::string_view name,
                                               const LoadOverride& override_) {
  const std::string model(name);
  Result<fs::path> folder = Folder(name);
  const bool has_files = !override_.files.empty();
  if (has_files && override_.config_json.empty()) {
    return InvalidArgument("failed to load '" + model +
                           "', override files need the parameter "
                           "'config' beside them");
  }
  // A model may come with the request alone, under a name that no folder has.
  const bool request_only =
      has_files && folder.status().code() == Code::kNotFound && IsModelName(name);
  if (!folder.ok() && !request_only) return folder.status();
  const fs::path place = folder.ok() ? *folder : fs::path();
  ModelFile own;
  if (folder.ok()) {
    Result<ModelFile> read = ReadModelFile(place / "cotenant.toml");
    if (!read.ok()) return read.status();
    own = *std::move(read);
  }

  Result<ConfigText> text = ReadConfig(place, model, override_, !options_.complete);
  if (!text.ok()) return text.status();
  const std::string file = override_.config_json.empty()
                               ? (place / kConfigFile).string()
                               : "the load request's config of '" + model + "'";
  Result<ModelConfig> config = ToModelConfig(*text, {model, place, file});
  if (!config.ok()) return config.status();

  ModelDescription description;
  description.config = *std::move(config);
  description.use = own.use;
  description.warnings = std::move(text->warnings);
  if (has_files) {
    auto files = FilesIn(override_, description.config, description.warnings);
    if (!files.ok()) return files.status();
    description.versions = *std::move(files);
    return description;
  }
  auto chosen = Choose(VersionsOnDisk(place), description.config, file, description.warnings);
  if (!chosen.ok()) return chosen.status();
  Status first_error;
  std::size_t found = 0;
  for (std::int64_t version : *chosen) {
    const fs::path version_folder = place / std::to_string(version);
    Result<std::string> path = NetworkFile(version_folder, description.config);
    found += path.ok() ? 1 : 0;
    if (!path.ok() && first_error.ok()) first_error = path.status();
    // One version without its network fails alone, when it is loaded; the others serve.
    description.versions.push_back(
        {version,
         path.ok() ? *path : (version_folder / description.config.default_model_filename).string(),
         nullptr,
         VariantsIn(version_folder, own, description.config.default_model_filename,
                    description.warnings)});
  }
  if (found == 0) return first_error;
  return description;
}

std::uint64_t DirectorySource::Fingerprint(std::string_view name) {
  Hash hash;
  bool found = false;
  for (const fs::path& root : roots_) {
    std::error_code error;
    if (!IsModelName(name) || !fs::is_directory(root / name, error)) continue;
    found = true;
    hash.Add(root.string());
    AddFolder(root / name, 0, hash);
  }
  return found ? hash.value() : 0;
}

NetworkFiles DirectorySource::FilesOf(const VersionFile& file) {
  std::error_code error;
  if (file.content != nullptr) return ModelSource::FilesOf(file);
  if (!fs::is_regular_file(file.path, error)) return {};
  // External weights lie beside the network.
  Hash hash;
  const fs::path folder = fs::path(file.path).parent_path();
  std::int64_t size = AddFolder(folder, 0, hash);
  // Other networks there are other variants.
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    std::error_code ignored;
    if (path.extension() != ".onnx" || path == file.path) continue;
    if (it->is_regular_file(ignored)) size -= static_cast<std::int64_t>(it->file_size(ignored));
  }
  return {Bytes(size), hash.value()};
}

Result<ModelConfig> DirectorySource::Complete(ModelConfig config, const ModelSignature& signature) {
  return CompleteConfig(std::move(config), signature, options_);
}

RenderedConfig DirectorySource::Render(const ModelConfig& config) { return RenderConfig(config); }

}  // namespace cotenant
