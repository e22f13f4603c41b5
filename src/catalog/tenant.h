#pragma once

/// Who shares the box, as configured. Plain data.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

/// An application sharing the box. Tenant 0 is always `default`.
struct Tenant {
  std::string name = "default";
  /// Share of device time under `weighted-fair`, relative to the others'. 1 … 1,000,000.
  std::int64_t weight = 1;
  /// Applies to requests that bring no latency bound of their own. Zero: none.
  Duration latency_bound;
  /// Requests of this tenant that may wait, over all models. Over it: 503.
  std::uint32_t waiting_max = 10'000;
  /// No less accurate variant answers its requests, where a model has one that is as accurate;
  /// thousandths of points. A request may ask for less. Zero: any.
  std::int32_t accuracy_min = 0;
  /// What models that nobody else has asked for since their load may take. Zero: no limit.
  Bytes memory_max = Bytes();
};

/// The policies by name, as the server file or the command line chose them.
struct PolicyChoice {
  std::string dispatch = "edf";
  /// "model": as each model's configuration says (`window` with dynamic batching, else `none`).
  std::string batching = "model";
  std::string admission = "feasible";
  std::string residency = "greedy-dual";
  std::string prediction = "bayesian";
};

/// The tenants and policies of one node.
struct NodeSettings {
  std::vector<Tenant> tenants = {Tenant{}};
  PolicyChoice policies;
};

}  // namespace cotenant
