#pragma once

/// Measured facts of a model on one machine, as `cotenant profile` writes and the simulator draws.
/// Plain data.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

/// How long something takes, as a distribution: the values at evenly spaced quantiles, ascending,
/// the first the least and the last the greatest. Drawn from by linear interpolation between two
/// neighbours. Never empty where it is used; one value is a constant.
struct TimeDistribution {
  std::vector<Duration> quantiles;

  bool empty() const { return quantiles.empty(); }
  /// The value at `fraction` / 2^32 of the distribution. Not empty.
  Duration At(std::uint32_t fraction) const;
  Duration Median() const { return At(std::uint32_t{1} << 31); }
  /// Of what is drawn. Not empty.
  Duration Mean() const;
};

/// Runs with these many rows.
struct RunTimes {
  std::int32_t rows = 1;
  TimeDistribution alone;   ///< While the rest of the CPU idles.
  TimeDistribution beside;  ///< While every other CPU slot is busy; empty when not measured.
  Bytes peak;               ///< Greatest memory of one run beyond what the model holds.
};

/// One variant (or stage) of a model.
struct ModelProfile {
  std::string model;
  std::int64_t version = 1;
  std::vector<RunTimes> runs;  ///< Ascending by rows, at least one.
  TimeDistribution load;
  Bytes mapped;
  Bytes anonymous;
  /// The most in use at any moment of its load, what stays included. Zero: not measured.
  Bytes load_peak = Bytes();

  /// Of the run with so many rows: the entry with as many or more rows; beyond the last one its
  /// times hold for each of its rows in proportion.
  const RunTimes& ForRows(std::int32_t rows) const;
};

/// What the node itself does for one request, CPU time: taken before the run and after it.
struct NodeCosts {
  TimeDistribution read;       ///< From the first byte to the decision.
  TimeDistribution hand_over;  ///< From the decision to a worker's start of the run.
  TimeDistribution reply;      ///< From the run's end to the reply written.
};

/// What `cotenant profile` measured on one machine. A model's facts are stale for another network,
/// ONNX Runtime or CPU.
struct MachineProfile {
  struct Model {
    std::string hash;  ///< Of the network's files, in hexadecimal digits.
    ModelProfile profile;
  };

  std::string cpu;
  std::string onnxruntime_version;
  std::string cotenant_version;
  std::int32_t slots = 1;
  NodeCosts costs;
  std::vector<Model> models;
};

}  // namespace cotenant
