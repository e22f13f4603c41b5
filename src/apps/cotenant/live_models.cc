#include "apps/cotenant/live_models.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <tuple>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// A configuration may name its model; the folder's name is another here.
Status CopyConfig(const fs::path& from, const fs::path& to) {
  std::ifstream in(from);
  std::ofstream out(to);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("name:", 0) != 0 && line.rfind("name :", 0) != 0) out << line << '\n';
  }
  return out.flush() ? Status() : Internal(to.string() + ": cannot be written");
}

Status Linked(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_symlink(fs::absolute(from), to, error);
  return error ? Internal(to.string() + ": " + error.message()) : Status();
}

/// A variant's own network, whatever its name.
bool IsNetwork(const fs::path& file) {
  return file.extension() == ".onnx" && file.filename().string().rfind("model", 0) == 0;
}

/// Files beside the networks: labels, external weights, and `also`.
Status LinkFolder(const fs::path& from, const fs::path& to, bool networks) {
  std::error_code error;
  fs::create_directories(to, error);
  for (const fs::directory_entry& entry : fs::directory_iterator(from, error)) {
    if (entry.is_directory() || entry.path().filename() == "config.pbtxt") continue;
    if (!networks && (IsNetwork(entry.path()) || entry.path().filename() == "cotenant.toml")) {
      continue;
    }
    COTENANT_RETURN_IF_ERROR(Linked(entry.path(), to / entry.path().filename()));
  }
  if (error) return Internal(from.string() + ": " + error.message());
  if (!fs::exists(from / "config.pbtxt")) return Status();
  return CopyConfig(from / "config.pbtxt", to / "config.pbtxt");
}

}  // namespace

const LiveVariant& LiveModel::Best() const {
  return *std::ranges::min_element(variants, {}, [](const LiveVariant& variant) {
    return std::tuple(-variant.accuracy, variant.size());
  });
}

const LiveVariant& LiveModel::Smallest() const {
  return *std::ranges::min_element(variants, {}, &LiveVariant::size);
}

Result<std::vector<LiveModel>> ReadLiveModels(const fs::path& repository, const fs::path& data,
                                              std::size_t tenants) {
  DirectorySource source({repository});
  const Result<std::vector<std::string>> names = source.List();
  COTENANT_RETURN_IF_ERROR(names.status());
  std::vector<LiveModel> models;
  for (const std::string& name : *names) {
    const Result<ModelDescription> description = source.Read(name, {});
    if (!description.ok()) continue;
    const VersionFile& version = description->versions.back();
    const Accuracy own = description->use.own_accuracy();
    LiveModel model{name, repository / name, {}, {}};
    std::error_code error;
    if (!data.empty() && fs::is_directory(data / name, error)) {
      model.samples = fs::absolute(data / name).string();
    }
    model.variants.push_back({std::string(kOwnVariantName), version.path, own.milli, {}});
    for (const VariantSource& variant : version.variants) {
      if (!variant.accuracy.known()) continue;
      const std::int32_t accuracy = Comparable(variant.accuracy, own).milli;
      model.variants.push_back({variant.name, variant.path, accuracy, {}});
    }
    models.push_back(std::move(model));
  }
  if (models.empty()) return InvalidArgument(repository.string() + ": no models");
  for (std::size_t i = 0, there = models.size(); models.size() < tenants; ++i) {
    LiveModel again = models[i % there];
    again.name += "-" + std::to_string(i / there + 2);
    models.push_back(std::move(again));
  }
  return models;
}

Status LinkOne(const LiveModel& model, const LiveVariant& variant, const std::string& name,
               const fs::path& repository) {
  const fs::path to = repository / name;
  COTENANT_RETURN_IF_ERROR(LinkFolder(model.folder, to, false));
  COTENANT_RETURN_IF_ERROR(LinkFolder(variant.network.parent_path(), to / "1", false));
  return Linked(variant.network, to / "1" / "model.onnx");
}

Status LinkAll(const LiveModel& model, const fs::path& repository) {
  const fs::path to = repository / model.name;
  const fs::path from = model.variants.front().network.parent_path();
  COTENANT_RETURN_IF_ERROR(LinkFolder(model.folder, to, true));
  return LinkFolder(from, to / "1", true);
}

std::string MeasuredName(const LiveModel& model, const LiveVariant& variant) {
  return model.folder.filename().string() + "--" + variant.name;
}

}  // namespace cotenant
