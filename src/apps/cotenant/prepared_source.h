#pragma once

/// A repository whose networks are loaded in their prepared forms, and whose needs are known before
/// they are loaded: what the cache says, or what a process of its own measures when a network is
/// first seen.
///
/// Wraps another source and changes nothing but how a version is loaded. Called on the load thread;
/// `Read` may block for as long as measuring takes, which is bounded.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apps/cotenant/network_measurer.h"
#include "catalog/model_source.h"
#include "config/prepared_store.h"

namespace cotenant {

struct PreparedSourceOptions {
  std::vector<std::filesystem::path> repositories;
  std::string cpu;
  std::string onnxruntime_version;
  /// Measure what was never measured? Worth it where memory is limited.
  bool measure = false;
  /// What models may take. A form whose load can never have so much gives way to one that can.
  /// Zero: anything.
  Bytes room;
  /// Could another process take so much now? Asked before one is started.
  std::function<bool(Bytes)> has_room = [](Bytes) { return true; };
};

class PreparedSource final : public ModelSource {
 public:
  /// Both outlive it.
  PreparedSource(ModelSource& source, PreparedStore& store, PreparedSourceOptions options)
      : source_(source), store_(store), options_(std::move(options)) {}

  Result<std::vector<std::string>> List() override { return source_.List(); }
  Result<ModelDescription> Read(std::string_view name, const LoadOverride& override_) override;
  std::uint64_t Fingerprint(std::string_view name) override { return source_.Fingerprint(name); }
  NetworkFiles FilesOf(const VersionFile& file) override { return source_.FilesOf(file); }
  Result<ModelConfig> Complete(ModelConfig config, const ModelSignature& signature) override {
    return source_.Complete(std::move(config), signature);
  }
  RenderedConfig Render(const ModelConfig& config) override { return source_.Render(config); }

 private:
  /// What to load in place of a version's own network, or of a declared variant; of the own network
  /// with limited memory its smaller forms join the variants.
  std::optional<NetworkForm> FindForm(ModelDescription& description, VersionFile& version,
                                      const VariantSource* variant, bool overridden);
  std::optional<NetworkForm> ChooseForms(ModelDescription& description, VersionFile& file,
                                         const PreparedNetwork& network,
                                         const std::filesystem::path& folder);
  std::optional<NetworkForm> FormOfVariant(const PreparedNetwork& network,
                                           const std::filesystem::path& folder) const;
  std::optional<VariantCost> MeasureNow(NetworkToMeasure network, const VersionFile& file,
                                        const PreparedKey& key, bool keep);

  ModelSource& source_;
  PreparedStore& store_;
  PreparedSourceOptions options_;
};

}  // namespace cotenant
