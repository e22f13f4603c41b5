#pragma once

/// `manifest.json` of one network in the cache of prepared networks. Text only; no files.

#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/prepared.h"

namespace cotenant {

/// What a prepared network belongs to: it counts for nothing else.
struct PreparedKey {
  std::string network;  ///< SHA-256, as `NetworkHash` gives it.
  std::string cpu;
  std::string onnxruntime_version;
  /// The model's own options that change the optimised graph: "" for the defaults.
  std::string options;

  bool operator==(const PreparedKey&) const = default;
};

std::string ManifestText(const PreparedKey& key, const PreparedNetwork& network);

/// InvalidArgument says what is wrong: not of this format, or of another key.
Result<PreparedNetwork> ParseManifest(const PreparedKey& key, std::string_view text);

/// The figures of one measurement, as the measuring process prints them.
std::string MeasuredText(const MeasuredForm& measured);
Result<MeasuredForm> ParseMeasured(std::string_view text);

}  // namespace cotenant
