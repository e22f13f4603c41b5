#pragma once

/// Which endpoint a target names. No decisions, no allocation but for names with '%' in them.

#include <string>
#include <string_view>

namespace cotenant {

enum class Endpoint : unsigned char {
  kUnknown,
  kPage,
  kMetrics,
  kTenants,
  kDecisions,
  kMemory,
  kLive,
  kReady,
  kServer,
  kModel,
  kModelReady,
  kModelConfig,
  kModelStatistics,
  kAllStatistics,
  kInfer,
  kGenerate,
  kIndex,
  kLoad,
  kUnload,
  kSharedMemoryStatus,
  kSharedMemory,
  kTrace,
  kLogging,
};

struct Route {
  Endpoint endpoint = Endpoint::kUnknown;
  std::string_view model;       ///< Decoded; into the target or into the scratch string.
  std::string_view version;     ///< Empty: none named.
  std::string_view repository;  ///< Empty: none named.
  /// What may be done with it: "GET, HEAD", "POST" or all three.
  bool get = false;
  bool post = false;
};

/// `text` with its %XX replaced, in `scratch` if there is any.
std::string_view DecodePercent(std::string_view text, std::string& scratch);

/// `scratch` holds the model's name when it had to be decoded, and must live as long as the route.
Route FindRoute(std::string_view target, std::string& scratch);

}  // namespace cotenant
