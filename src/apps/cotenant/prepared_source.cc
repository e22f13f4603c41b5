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
/// A form that takes more than this of what the own network takes is no variant beside it.
constexpr double kSmaller = 0.9;
/// An exact form beside the default runs slower, or would be it: it counts for a little less, so
/// that the faster one comes back when there is room.
constexpr std::int32_t kExactBeside = kFullAccuracy - 1;

NetworkForm FormIn(const fs::path& folder, const PreparedForm& form) {
  return {(folder / form.name / form.network).string(), form.graph_optimization_level,
          form.session_entries, form.measured.cost};
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

bool AnyDeclared(const VersionFile& file) {
  return std::ranges::any_of(file.variants,
                             [](const VariantSource& variant) { return variant.accuracy.known(); });
}

}  // namespace

Result<ModelDescription> PreparedSource::Read(std::string_view name,
                                              const LoadOverride& override_) {
  Result<ModelDescription> description = source_.Read(name, override_);
  if (!description.ok()) return description;
  // Another process reads the configuration on disk, and not one that came with a request.
  const bool overridden = !override_.config_json.empty() || !override_.files.empty();
  for (VersionFile& file : description->versions) {
    // What is found of its own network comes behind these.
    for (VariantSource& variant : file.variants) {
      variant.form = FindForm(*description, file, &variant, overridden);
    }
    file.form = FindForm(*description, file, nullptr, overridden);
  }
  return description;
}

std::optional<NetworkForm> PreparedSource::FindForm(ModelDescription& description,
                                                    VersionFile& version,
                                                    const VariantSource* variant, bool overridden) {
  const VersionFile file = variant == nullptr ? version : FileOf(*variant, version.version);
  if (file.content != nullptr) return std::nullopt;
  const Result<std::string> hash = NetworkHash(file);
  if (!hash.ok()) return std::nullopt;  // Loading it says why.
  const PreparedKey key{*hash, options_.cpu, options_.onnxruntime_version,
                        PreparedOptionsText(description.config.runtime)};
  PreparedStore::Found found = store_.Find(key);
  NetworkToMeasure network{.model = description.config.name, .version = file.version};
  if (variant != nullptr) network.variant = variant->name;
  if (!found.remark.empty()) {
    description.warnings.push_back(
        "model '" + TitleOf(network) +
        "' is served as shipped, until it is prepared again: " + found.remark);
  }
  std::optional<NetworkForm> form;
  if (found.network && !found.network->forms.empty()) {
    store_.NoteUse(key);
    form = variant == nullptr ? ChooseForms(description, version, *found.network, found.folder)
                              : FormOfVariant(*found.network, found.folder);
  }
  if (form) return form;
  NetworkForm as_shipped;
  if (found.network && found.network->shipped) {
    as_shipped.cost = found.network->shipped->cost;
  } else if (options_.measure && !overridden) {
    as_shipped.cost = MeasureNow(std::move(network), file, key, found.remark.empty());
  }
  if (as_shipped.cost) form = as_shipped;
  return form;
}

std::optional<NetworkForm> PreparedSource::FormOfVariant(const PreparedNetwork& network,
                                                         const fs::path& folder) const {
  const PreparedNetwork exact = ExactOnly(network);
  const PreparedForm* const form = FormWithin(exact, options_.room);
  return form == nullptr ? std::nullopt : std::optional(FormIn(folder, *form));
}

std::optional<NetworkForm> PreparedSource::ChooseForms(ModelDescription& description,
                                                       VersionFile& file,
                                                       const PreparedNetwork& network,
                                                       const fs::path& folder) {
  const PreparedForm* own = FormWithin(network, options_.room);
  const bool limited = options_.room > Bytes() && network.shipped.has_value();
  if (limited) {
    // While variants stand beside it, the own network is an exact one.
    const PreparedForm* const exact = ExactForm(network);
    const MeasuredForm& measured = exact != nullptr ? exact->measured : *network.shipped;
    if (RoomFor(measured) <= options_.room) own = exact;
  }
  std::optional<NetworkForm> own_form;
  if (own != nullptr) own_form = FormIn(folder, *own);
  VariantUse& use = description.use;
  if (own != nullptr && !IsExact(*own) && !use.accuracy.known()) use.accuracy = own->accuracy;
  if (!limited) return own_form;
  // Whoever declared variants knows which answers are good enough.
  const bool declared = AnyDeclared(file);
  const bool lossy_may = !declared || use.accuracy_min > 0;
  const Bytes taken = TakenBy(own != nullptr ? own->measured : *network.shipped);
  bool any = false;
  for (const PreparedForm& form : network.forms) {
    const bool smaller = static_cast<double>(TakenBy(form.measured).count()) <
                         static_cast<double>(taken.count()) * kSmaller;
    if (&form == own || !smaller || RoomFor(form.measured) > options_.room ||
        (!IsExact(form) && !lossy_may)) {
      continue;
    }
    const bool named = std::ranges::any_of(
        file.variants, [&](const VariantSource& other) { return other.name == form.name; });
    if (named) {
      description.warnings.push_back(
          "model '" + description.config.name + "': the prepared form '" + form.name +
          "' is not used, because a variant that lies beside the network has that name");
      continue;
    }
    VariantSource& variant = file.variants.emplace_back();
    variant.name = form.name;
    variant.form = FormIn(folder, form);
    variant.accuracy = {std::min(form.accuracy.milli, kExactBeside), form.accuracy.source};
    any = true;
  }
  if (!any || declared || use.accuracy_min > 0) return own_form;
  // Nobody gets answers that agree less than `prepare --agreement` allowed, unless asked for.
  const std::int32_t least = std::min(network.served_agreement_min, kExactBeside);
  use.accuracy_min = Comparable({least, AccuracySource::kAgreement}, use.own_accuracy()).milli;
  return own_form;
}

std::optional<VariantCost> PreparedSource::MeasureNow(NetworkToMeasure network,
                                                      const VersionFile& file,
                                                      const PreparedKey& key, bool keep) {
  const Bytes files = source_.FilesOf(file).size;
  const Bytes at_most(files.count() * kLoadTimesFiles);
  if (files > kMeasuredFilesMax || at_most.count() < options_.room.count() / kSmallPart ||
      !options_.has_room(kProgram + at_most)) {
    return std::nullopt;
  }
  for (const fs::path& repository : options_.repositories) {
    std::error_code error;
    if (fs::is_directory(repository / network.model, error)) {
      network.repository = repository.string();
    }
  }
  Result<MeasuredForm> measured = NetworkMeasurer(kRunsFor, kMeasuringMax).Measure(network);
  if (!measured.ok()) {
    LogWarning("model '" + TitleOf(network) +
               "': what it takes could not be measured: " + measured.status().message());
    return std::nullopt;
  }
  const VariantCost cost = measured->cost;
  if (!keep) return cost;
  // Whoever prepared it meanwhile knows more.
  if (const auto now = store_.Find(key).network; now && now->tries > 0) return cost;
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
