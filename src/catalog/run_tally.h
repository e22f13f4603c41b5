#pragma once

/// Counts the ends of a run's requests by tenant, by model and over all, and makes the RunResult.
///
/// One thread. Each request is given once. Allocates when a group's latencies reach another power
/// of two for the first time, and for error texts not seen before; else not at all.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

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
  Duration latency;                   ///< Of kReplied.
  Duration latency_bound;             ///< Zero: none.
};

class RunTally {
 public:
  explicit RunTally(const Scenario& scenario);

  void Add(const EndedRequest& request);
  /// Different texts beyond `kErrorTextsMax` are not kept.
  void AddError(std::string_view text);

  std::uint64_t Ended(RunEnd end) const { return all_.counts.Ended(end); }
  std::uint64_t ended() const { return all_.counts.requests; }

  /// All but what only the driver knows: command, seed, expectations and wall facts.
  RunResult Result() const;

 private:
  static constexpr std::size_t kErrorTextsMax = 16;
  struct Group {
    GroupResult counts;
    LatencyHistogram latencies;

    void Add(const EndedRequest& request);
    GroupResult Result() const;
  };

  std::string scenario_;
  Duration lasts_;
  Group all_;
  std::vector<Group> tenants_;
  std::vector<Group> models_;
  std::map<std::string, std::uint64_t, std::less<>> errors_;
};

}  // namespace cotenant
