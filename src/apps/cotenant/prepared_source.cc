#include "apps/cotenant/prepared_source.h"

#include <algorithm>

#include "config/network_hash.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// The process that measures ends after so long; the network is then loaded with caution.
constexpr Duration kMeasuringMax = Duration::Seconds(20);
constexpr Duration kRunsFor = Duration::Milliseconds(20);
/// A network whose files are larger is not loaded an extra time.
constexpr Bytes kMeasuredFilesMax = Bytes::MiB(512);
/// What measuring takes at most: the program, and a network while it is loaded.
constexpr Bytes kProgram = Bytes::MiB(40);
constexpr std::int64_t kLoadTimesFiles = 10;
/// A network that by this reckoning takes less than such a part of the room is loaded with caution
/// instead: the figure would change nothing, and measuring makes a first start slow.
constexpr std::int64_t kSmallPart = 64;

VariantSource SourceOf(const PreparedForm& form, const fs::path& folder) {
  VariantSource source;
  source.name = form.name;
  source.path = (folder / form.name / form.network).string();
  source.graph_optimization_level = form.graph_optimization_level;
  source.session_entries = form.session_entries;
  source.accuracy = form.accuracy;
  source.cost = form.measured.cost;
  return source;
}

/// What must be free at some time.
Bytes RoomFor(const MeasuredForm& form) {
  return std::max(TakenBy(form), form.cost.transition_peak);
}

/// The form to serve, or the one that needs least room if that one has too little. Null: as
/// shipped.
const PreparedForm* FormWithin(const PreparedNetwork& network, Bytes room) {
  const PreparedForm* const served = ServedForm(network);
  if (served == nullptr || room == Bytes() || RoomFor(served->measured) <= room) return served;
  const PreparedForm* least = served;
  for (const PreparedForm& form : network.forms) {
    const bool may = form.accuracy.milli >= network.served_agreement_min;
    if (may && RoomFor(form.measured) < RoomFor(least->measured)) least = &form;
  }
  const bool shipped_is_less =
      network.shipped && RoomFor(*network.shipped) < RoomFor(least->measured);
  return shipped_is_less ? nullptr : least;
}

}  // namespace

Result<ModelDescription> PreparedSource::Read(std::string_view name,
                                              const LoadOverride& override_) {
  Result<ModelDescription> description = source_.Read(name, override_);
  if (!description.ok()) return description;
  // Another process reads the configuration on disk, and not one that came with a request.
  const bool overridden = !override_.config_json.empty() || !override_.files.empty();
  for (VersionFile& file : description->versions) {
    FindForm(*description, file, overridden);
  }
  return description;
}

void PreparedSource::FindForm(ModelDescription& description, VersionFile& file, bool overridden) {
  if (file.content != nullptr) return;
  const Result<std::string> hash = NetworkHash(file);
  if (!hash.ok()) return;  // Loading it says why.
  const PreparedKey key{*hash, options_.cpu, options_.onnxruntime_version,
                        PreparedOptionsText(description.config.runtime)};
  PreparedStore::Found found = store_.Find(key);
  if (!found.remark.empty()) {
    description.warnings.push_back(
        "model '" + description.config.name +
        "' is served as shipped, until it is prepared again: " + found.remark);
  }
  if (found.network && !found.network->forms.empty()) {
    store_.NoteUse(key);
    const PreparedForm* const served = FormWithin(*found.network, options_.room);
    if (served != nullptr) file.form = SourceOf(*served, found.folder);
  }
  if (file.form) return;
  VariantSource as_shipped;
  if (found.network && found.network->shipped) {
    as_shipped.cost = found.network->shipped->cost;
  } else if (options_.measure && !overridden) {
    as_shipped.cost = MeasureNow(description, file, key, found.remark.empty());
  }
  if (as_shipped.cost) file.form = as_shipped;
}

std::optional<VariantCost> PreparedSource::MeasureNow(const ModelDescription& description,
                                                      const VersionFile& file,
                                                      const PreparedKey& key, bool keep) {
  const Bytes files = source_.FilesOf(file).size;
  const Bytes at_most(files.count() * kLoadTimesFiles);
  if (files > kMeasuredFilesMax || at_most.count() < options_.room.count() / kSmallPart ||
      !options_.has_room(kProgram + at_most)) {
    return std::nullopt;
  }
  const std::string& name = description.config.name;
  NetworkToMeasure network;
  network.model = name;
  network.version = file.version;
  for (const fs::path& repository : options_.repositories) {
    std::error_code error;
    if (fs::is_directory(repository / name, error)) network.repository = repository.string();
  }
  Result<MeasuredForm> measured = NetworkMeasurer(kRunsFor, kMeasuringMax).Measure(network);
  if (!measured.ok()) {
    LogWarning("model '" + name +
               "': what it takes could not be measured: " + measured.status().message());
    return std::nullopt;
  }
  const VariantCost cost = measured->cost;
  if (!keep) return cost;
  // So that the next start finds it. A cache that cannot be written only makes that slower.
  PreparedNetwork known;
  known.shipped = *std::move(measured);
  Result<fs::path> built = store_.BeginBuild();
  Status kept = built.status();
  if (built.ok()) kept = store_.Keep(key, std::move(known), *built);
  if (!kept.ok()) LogInfo("what was measured is not kept: " + kept.message());
  return cost;
}

}  // namespace cotenant
