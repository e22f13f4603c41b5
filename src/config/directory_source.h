#pragma once

/// Models from directories laid out for Triton:
/// `<root>/<model>/[config.pbtxt]/<version>/model.onnx`.
///
/// Holds no state but its options: every call looks at the disk anew, so that it may be called
/// again after any change, from one thread at a time or from several. Blocks on files. The
/// directories may be read-only; nothing is ever written.

#include <filesystem>
#include <string>
#include <vector>

#include "catalog/model_source.h"
#include "config/completion.h"

namespace cotenant {

class DirectorySource : public ModelSource {
 public:
  /// `roots` are model repositories; a model that lies in two of them is not served, as in Triton.
  explicit DirectorySource(std::vector<std::filesystem::path> roots,
                           CompletionOptions options = {});

  Result<std::vector<std::string>> List() override;
  Result<ModelDescription> Read(std::string_view name, const LoadOverride& override_) override;
  std::uint64_t Fingerprint(std::string_view name) override;
  NetworkFiles FilesOf(const VersionFile& file) override;
  Result<ModelConfig> Complete(ModelConfig config, const ModelSignature& signature) override;
  RenderedConfig Render(const ModelConfig& config) override;

 private:
  Result<std::filesystem::path> Folder(std::string_view name) const;

  std::vector<std::filesystem::path> roots_;
  CompletionOptions options_;
};

}  // namespace cotenant
