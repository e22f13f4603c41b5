#pragma once

/// Where models come from, as the server sees it: a directory laid out for Triton, or a test's own.
///
/// An interface only; the reader of directories is in config/. Called on the server's load thread:
/// calls may block on files. Errors name the file, and line and column where there is one.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "catalog/model_config.h"
#include "catalog/variant.h"

namespace cotenant {

/// One version to serve: its number and what to load.
struct VersionFile {
  std::int64_t version = 0;
  /// A network file on disk, or empty when `content` holds the network itself.
  std::string path;
  /// The network's bytes, from a load request that carried `file:N/model.onnx`.
  std::shared_ptr<const std::string> content;
  /// Its other forms, in no order. None: it has one.
  std::vector<VariantSource> variants = {};
  /// What to load in its place, if there is a path: the same network, as it was prepared. What it
  /// takes, where that was measured: without a path, of the network as it is.
  std::optional<NetworkForm> form = std::nullopt;
  /// Nobody but us changes the files: its weights may be mapped. Those of users are read.
  bool may_map = false;
  /// What it takes beside mapped weights, where that was measured in a process that did nothing
  /// else.
  std::optional<Bytes> anonymous_measured = std::nullopt;
};

/// Of a variant, what is loaded.
inline VersionFile FileOf(const VariantSource& variant, std::int64_t version) {
  return {version, variant.path, variant.content, {}, variant.form};
}

/// The files of one version's network, external weights included, without reading them.
struct NetworkFiles {
  Bytes size;
  /// Changes when one of them was written, replaced or removed. Zero: there are none.
  std::uint64_t stamp = 0;
};

/// What one reading of a model's folder gave.
struct ModelDescription {
  ModelConfig config;
  VariantUse use = {};
  /// Ascending; already chosen by the version policy. Never empty.
  std::vector<VersionFile> versions;
  /// Remarks for the log: fields ignored, unknown names with line and column.
  std::vector<std::string> warnings;
};

/// A load request's own configuration and files, which replace those on disk.
struct LoadOverride {
  std::string config_json;                                          ///< Empty: none.
  std::map<std::string, std::shared_ptr<const std::string>> files;  ///< "1/model.onnx" → bytes.
};

/// The configuration as the protocols return it.
struct RenderedConfig {
  std::string json;      ///< The reply of /v2/models/M/config.
  std::string protobuf;  ///< The serialised `inference.ModelConfig` of gRPC's ModelConfig.
};

class ModelSource {
 public:
  virtual ~ModelSource() = default;

  /// The names of all model folders, sorted; those that cannot be read included.
  virtual Result<std::vector<std::string>> List() = 0;
  /// Reads one model. NotFound when there is no such folder; InvalidArgument with file, line and
  /// column for a configuration that is wrong; Unimplemented for a field that is refused, by its
  /// name.
  virtual Result<ModelDescription> Read(std::string_view name, const LoadOverride& override_) = 0;
  /// Changes when a file that `Read` depends on changed. 0 when the folder is gone.
  virtual std::uint64_t Fingerprint(std::string_view name) = 0;
  /// What `Read` named. A network that came with a request never changes.
  virtual NetworkFiles FilesOf(const VersionFile& file) {
    const std::size_t size = file.content ? file.content->size() : 0;
    return {Bytes(static_cast<std::int64_t>(size)), 1};
  }
  /// Completes the configuration from the network (inputs, outputs, max_batch_size) and checks the
  /// two against each other. Call `Render` afterwards.
  virtual Result<ModelConfig> Complete(ModelConfig config, const ModelSignature& signature) = 0;
  /// The completed configuration as the protocols return it.
  virtual RenderedConfig Render(const ModelConfig& config) = 0;
};

}  // namespace cotenant
