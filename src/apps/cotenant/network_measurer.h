#pragma once

/// What a network takes, measured in a process that does nothing else: this program starts itself
/// with `measure-network`. A network that crashes or hangs ends that process alone.
///
/// Blocks until the other process has ended, for a bounded time. Any thread.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalog/prepared.h"

namespace cotenant {

/// What to load.
struct NetworkToMeasure {
  std::string repository = {};  ///< The model's folder lies in it.
  std::string model;
  std::int64_t version = 1;
  std::string variant = {};                    ///< A declared one; empty: the model's own network.
  std::string path = {};                       ///< A form of it; empty: as shipped.
  std::int32_t graph_optimization_level = -1;  ///< Negative: as the model's.
  std::map<std::string, std::string> session_entries = {};
  std::string data = {};  ///< Folder of samples (see `ReadSamples`). Empty: random inputs.
};

/// "detector", or "detector:int8" of a variant.
std::string TitleOf(const NetworkToMeasure& network);

class NetworkMeasurer {
 public:
  /// `runs_for`: how long the network is run. `lasts_max`: of the whole.
  NetworkMeasurer(Duration runs_for, Duration lasts_max)
      : runs_for_(runs_for), lasts_max_(lasts_max) {}

  /// With `outputs`, what sample inputs give is written to that file; with `samples`, real samples
  /// to that folder, if there are any.
  Result<MeasuredForm> Measure(const NetworkToMeasure& network, const std::string& outputs = {},
                               const std::string& samples = {}) const;
  /// Writes the optimised network to `folder` (see `OnnxBackend::SaveOptimised`).
  Status Save(const NetworkToMeasure& network, const std::string& folder, bool prepacked) const;

 private:
  Result<std::string> Start(const NetworkToMeasure& network, std::vector<std::string> more) const;

  Duration runs_for_;
  Duration lasts_max_;
};

/// How alike two files are that `Measure` wrote: the share of answers that agree, in thousandths of
/// a percent. Probabilities of classes agree when nine rows of ten have the same greatest, other
/// numbers when they point the same way (a cosine of `alike` at least), all else when it is equal.
/// `same` is true when all of them differ by no more than rounding (cosine of 0.99999).
/// FailedPrecondition when they cannot be compared.
struct Agreement {
  std::int32_t milli = 0;
  bool same = false;
};
inline constexpr double kAlikeCosine = 0.99;
/// Random inputs are like nothing that a network was made for: they move the answers more.
inline constexpr double kAlikeCosineRandom = 0.95;
Result<Agreement> CompareOutputs(const std::string& one, const std::string& other, double alike);

}  // namespace cotenant
