#pragma once

/// Counts the ends of a run's requests by tenant, by model and over all, and makes the RunResult.
///
/// One thread. Each request is given once, and counted in one place, by tenant and model; sums are
/// made at the end. Allocates when such a pair's latencies reach another power of two for the first
/// time, and for error texts not seen before; else not at all.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_map.h"
#include "base/latency_histogram.h"
#include "base/time.h"
#include "catalog/run_result.h"
#include "catalog/scenario.h"

namespace cotenant {

/// One request's end.
struct EndedRequest {
  std::size_t tenant = 0;
  std::size_t model = 0;
  std::int32_t rows = 1;
  RunEnd end = RunEnd::kReplied;
  std::size_t reason = kOtherReason;  ///< Of kRejected: a RejectReason's number.
  bool cold = false;                  ///< It ran, but had to wait for its model's load.
  std::size_t variant = 0;            ///< That answered: the model's own, then its others.
  Duration latency;                   ///< Of kReplied.
  Duration latency_bound;             ///< Zero: none.
};

class RunTally {
 public:
  explicit RunTally(const Scenario& scenario);

  void Add(const EndedRequest& request);
  /// Different texts beyond `kErrorTextsMax` are not kept.
  void AddError(std::string_view text);

  std::uint64_t Ended(RunEnd end) const { return ends_[static_cast<std::size_t>(end)]; }
  std::uint64_t ended() const { return ended_; }

  /// All but what only the driver knows: command, seed, expectations and wall facts.
  RunResult Result() const;

 private:
  static constexpr std::size_t kErrorTextsMax = 16;
  struct Group {
    GroupResult counts;
    LatencyHistogram latencies;

    void Add(const EndedRequest& request);
    void Add(const Group& other);
    GroupResult Result(const std::string& name) const;
  };
  struct Cell {
    std::size_t tenant = 0;
    std::size_t model = 0;
    Group group;
    std::vector<std::uint64_t> answered_by;  ///< By variant; empty where there is one only.
  };
  struct Variants {
    std::vector<std::string> names;  ///< "model:variant". Empty: one only.
    std::vector<std::int32_t> points_lost;
  };

  void AddVariants(const Cell& cell, GroupResult& result) const;

  std::string scenario_;
  Duration lasts_;
  std::vector<std::string> tenant_names_;
  std::vector<std::string> model_names_;
  std::vector<Variants> variants_;  ///< By model.
  std::vector<Cell> cells_;
  FlatMap<std::uint64_t, std::uint32_t> cell_of_;  ///< By tenant and model.
  std::array<std::uint64_t, kRunEnds> ends_{};
  std::uint64_t ended_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> errors_;
};

}  // namespace cotenant
