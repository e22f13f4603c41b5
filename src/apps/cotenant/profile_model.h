#pragma once

/// Measures one model as a worker runs it: the same buffers, the same priority, the thread that
/// calls computing.
///
/// *Alone*: nothing else of this process computes. Every second run follows a pause as long as a
/// run (at most 5 ms), as on a node that is half busy, because a network whose weights have just
/// been used is faster than one that comes back. *Beside*: as many threads as there are other CPU
/// slots run the same model all the time. The model itself and not another one, so that a profile
/// says the same whatever else lies in the repository, and one model is in memory at a time.
///
/// Shapes, numbers of rows and both conditions take turns in short slices, so that a slow moment of
/// the machine hits all alike; the first runs of a slice do not count.

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/cotenant/model_inputs.h"
#include "catalog/model_source.h"
#include "catalog/time_samples.h"
#include "telemetry/telemetry.h"

namespace cotenant {

struct ProfileModelOptions {
  std::vector<std::int32_t> rows;  ///< Ascending; those above the model's limit are left out.
  /// Of measuring one model. One slice of each kind is measured however long it takes.
  Duration budget = Duration::Seconds(10);
  std::int32_t slots = 1;
  InputChoice inputs;
  /// Set from outside (a signal) to end early: the model then counts as not measured.
  const volatile std::sig_atomic_t* stop = nullptr;
  std::function<void(Duration elapsed)> progress;
};

struct MeasuredRuns {
  std::int32_t rows = 1;
  TimeSamples alone;
  TimeSamples beside;
  Bytes peak;
};

/// The runs of one choice of the inputs' shapes.
struct MeasuredShapes {
  std::string shapes;  ///< Of the inputs, for people.
  Bytes request;       ///< Of one row, as sent.
  std::vector<MeasuredRuns> runs;
};

struct MeasuredModel {
  std::string name;  ///< "detector", or "detector:int8" of a variant.
  std::int64_t version = 1;
  std::string hash;
  bool joined = false;  ///< Batches are of several requests of one row, as dynamic batching joins.
  TimeSamples load;
  LoadFacts facts;
  Bytes load_peak;                      ///< Measured in a process of its own. Zero: it was not.
  std::vector<MeasuredShapes> choices;  ///< At least one; the first is what a profile keeps.

  ModelProfile Profile() const;
};

/// Loads and measures one version, or one of its variants in place of its own network. Blocks.
/// Cancelled after a stop.
Result<MeasuredModel> MeasureModel(ModelSource& source, Backend& backend, Telemetry& telemetry,
                                   const ModelDescription& description, const VersionFile& file,
                                   const VariantSource* variant,
                                   const ProfileModelOptions& options);

}  // namespace cotenant
