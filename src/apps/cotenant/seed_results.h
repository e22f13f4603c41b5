#pragma once

/// What `cotenant simulate --seeds` found: which seeds broke a rule, and where first.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/scenario.h"
#include "simulation/simulator.h"

namespace cotenant {

struct SeedRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  ///< Inclusive.
};

/// Any thread; the texts do not depend on the order of `Add`.
class SeedResults {
 public:
  SeedResults(const Scenario& scenario, SeedRange range) : scenario_(scenario), range_(range) {}

  void Add(std::uint64_t seed, const SimulationReport& report, double cpu_seconds);

  bool broken() const { return !broken_.empty(); }
  std::string Text() const;
  std::string Json() const;

 private:
  const Scenario& scenario_;
  SeedRange range_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::string> broken_;  ///< The first violation of each such seed.
  std::map<std::string, std::vector<std::uint64_t>> unmet_;  ///< Seeds by expectation.
  std::vector<std::int64_t> bounds_met_;                     ///< Thousandths of a percent.
  std::uint64_t seeds_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t digests_ = 0;  ///< Of all seeds' digests, in any order.
  double cpu_seconds_ = 0;
};

}  // namespace cotenant
