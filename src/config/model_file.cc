#include "config/model_file.h"

#include <algorithm>
#include <set>

#include "config/model_conversion.h"
#include "config/node_sections.h"
#include "config/toml_reader.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKeys[] = {"accuracy", "accuracy_source", "accuracy_min", "pin",
                                      "stateful", "idle_unload_s",   "variant"};
constexpr std::string_view kVariantKeys[] = {"name",   "file",   "accuracy", "accuracy_source",
                                             "inputs", "outputs"};
constexpr std::string_view kSources[] = {"labels", "agreement", "stated"};
constexpr std::string_view kEnding = ".onnx";

/// More than anybody keeps of one network; each one is loaded once at start. Raise it with the
/// patience for that.
constexpr std::size_t kVariantsMax = 16;
constexpr double kIdleSecondsMax = 10'000'000;

Accuracy ReadAccuracy(TomlReader& reader, const TomlNode& table) {
  Accuracy accuracy;
  const TomlNode* given = table.Find("accuracy");
  const TomlNode* source = table.Find("accuracy_source");
  if (given == nullptr && source != nullptr) {
    reader.Error(source->place, "'accuracy_source' needs an 'accuracy'");
  }
  std::string name = "stated";
  reader.Choice(table, "accuracy_source", kSources, name);
  if (given == nullptr) return accuracy;
  accuracy.milli = reader.Points(table, "accuracy");
  accuracy.source = FindAccuracySource(name).value_or(AccuracySource::kStated);
  return accuracy;
}

std::map<std::string, std::string> ReadNames(TomlReader& reader, const TomlNode& table,
                                             std::string_view key) {
  std::map<std::string, std::string> names;
  const TomlNode* given = reader.Table(table, key);
  if (given == nullptr) return names;
  std::set<std::string> targets;
  for (const TomlEntry& entry : given->entries) {
    const TomlNode& value = entry.value;
    if (value.kind != TomlNode::Kind::kText || value.text.empty()) {
      reader.Error(value.place, "'" + entry.key + "': expected the variant's name of it");
    } else if (!targets.insert(value.text).second) {
      reader.Error(value.place, "'" + entry.key + "': two names stand for '" + value.text + "'");
    } else {
      names[entry.key] = value.text;
    }
  }
  return names;
}

void ReadVariant(TomlReader& reader, const TomlNode& table, std::set<std::string>& names,
                 std::vector<ModelFile::Declared>& variants) {
  reader.CheckKeys(table, kVariantKeys, " of a variant");
  ModelFile::Declared declared;
  VariantSource& variant = declared.variant;
  variant.name = ReadPlainName(reader, table, "a variant");
  if (!variant.name.empty() && !names.insert(variant.name).second) {
    reader.Error(table.Find("name")->place, "variant '" + variant.name + "' is declared twice");
  }
  if (variant.name == kOwnVariantName) {
    reader.Error(table.Find("name")->place,
                 "'" + std::string(kOwnVariantName) + "' is the name of the model's own network");
  }
  reader.Text(table, "file", declared.file);
  if (const TomlNode* file = table.Find("file")) {
    if (declared.file.find('/') != std::string::npos || declared.file == "..") {
      reader.Error(file->place, "'file': expected the name of a file in the version's folder");
    }
    declared.place = reader.Place(file->place);
  } else {
    declared.place = reader.Place(table.place);
  }
  variant.accuracy = ReadAccuracy(reader, table);
  variant.inputs = ReadNames(reader, table, "inputs");
  variant.outputs = ReadNames(reader, table, "outputs");
  variants.push_back(std::move(declared));
}

/// Accuracies are compared, so all must be known the same way, or against the model's own network.
void CheckAccuracies(TomlReader& reader, const std::vector<const TomlNode*>& tables,
                     ModelFile& file) {
  for (std::size_t i = 0; i < file.variants.size(); ++i) {
    const Accuracy& accuracy = file.variants[i].variant.accuracy;
    const bool against_own = accuracy.source == AccuracySource::kAgreement;
    if (!accuracy.known() || against_own || file.use.accuracy.known()) continue;
    reader.Error(tables[i]->Find("accuracy")->place,
                 "variant '" + file.variants[i].variant.name +
                     "' has an accuracy and the model's own network has none: write one above "
                     "[[variant]]");
  }
}

std::string StemOf(const std::string& network) {
  return network.ends_with(kEnding) ? network.substr(0, network.size() - kEnding.size()) : network;
}

/// "int8" of `model.int8.onnx`, where the model's own network is `model.onnx`.
std::string ConventionalName(const std::string& file, const std::string& stem) {
  if (!file.starts_with(stem + ".") || !file.ends_with(kEnding)) return {};
  if (file.size() <= stem.size() + 1 + kEnding.size()) return {};
  const std::string name =
      file.substr(stem.size() + 1, file.size() - stem.size() - 1 - kEnding.size());
  return IsPlainName(name) && name != kOwnVariantName ? name : std::string();
}

std::set<std::string> FilesOf(const fs::path& folder) {
  std::set<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) files.insert(it->path().filename().string());
  }
  return files;
}

}  // namespace

Result<ModelFile> ParseModelFile(std::string_view text, const std::string& file) {
  TomlReader reader(file);
  ModelFile result;
  const auto root = reader.Parse(text);
  if (!root) return reader.TakeStatus();
  reader.CheckKeys(*root, kKeys, "");
  result.use.accuracy = ReadAccuracy(reader, *root);
  result.use.accuracy_min = reader.Points(*root, "accuracy_min");
  reader.Truth(*root, "pin", result.use.pinned);
  reader.Truth(*root, "stateful", result.use.stateful);
  if (root->Find("idle_unload_s") != nullptr) {
    std::int64_t idle = 0;
    reader.Scaled(*root, "idle_unload_s", 0, kIdleSecondsMax, 1'000, idle);
    result.use.idle_unload = Duration::Milliseconds(idle);
  }
  std::set<std::string> names;
  const auto tables = reader.Tables(*root, "variant", kVariantsMax, "variants");
  for (const TomlNode* table : tables) ReadVariant(reader, *table, names, result.variants);
  if (tables.size() == result.variants.size()) CheckAccuracies(reader, tables, result);
  COTENANT_RETURN_IF_ERROR(reader.TakeStatus());
  return result;
}

Result<ModelFile> ReadModelFile(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return ModelFile();
  Result<std::string> text = ReadFile(path, kTomlBytesMax);
  if (!text.ok()) return text.status();
  return ParseModelFile(*text, path.string());
}

std::vector<VariantSource> VariantsIn(const fs::path& version_folder, const ModelFile& declared,
                                      const std::string& network,
                                      std::vector<std::string>& warnings) {
  std::vector<VariantSource> variants;
  const std::string stem = StemOf(network);
  const std::set<std::string> files = FilesOf(version_folder);
  std::set<std::string> taken = {network};
  for (const ModelFile::Declared& item : declared.variants) {
    VariantSource variant = item.variant;
    const std::string file =
        item.file.empty() ? stem + "." + variant.name + std::string(kEnding) : item.file;
    taken.insert(file);
    if (!files.contains(file)) {
      warnings.push_back(item.place + ": variant '" + variant.name + "': there is no file '" +
                         (version_folder / file).string() + "'");
      continue;
    }
    variant.path = fs::absolute(version_folder / file).string();
    variants.push_back(std::move(variant));
  }
  for (const std::string& file : files) {
    VariantSource variant;
    variant.name = ConventionalName(file, stem);
    const bool declared_so =
        std::ranges::any_of(variants, [&](const auto& v) { return v.name == variant.name; });
    if (variant.name.empty() || taken.contains(file) || declared_so) continue;
    if (variants.size() >= kVariantsMax) break;
    variant.path = fs::absolute(version_folder / file).string();
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace cotenant
