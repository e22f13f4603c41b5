#pragma once

/// Everything that can happen to a node, by chance with a seed: for tests of the brain.

#include <cstdint>
#include <functional>

#include "simulation/simulated_node.h"

namespace cotenant {

/// Settings of a small node with several models and tenants, and policies, all drawn from the seed.
SimulationSettings RandomSettings(std::uint64_t seed);

/// The same node with little memory, models of all sizes, and any residency policy.
SimulationSettings RandomCrowdedSettings(std::uint64_t seed);

/// As crowded, or without a limit, and two of the models have variants: the last numbers.
SimulationSettings RandomVariantSettings(std::uint64_t seed);

/// As crowded, half of them with variants; other programs take memory and give it back, models
/// leave when nobody asks for them, and tenants have limits of memory.
SimulationSettings RandomPressedSettings(std::uint64_t seed);

/// Plans arrivals, cancellations, loads, unloads, changes of policy, useless and unknown events,
/// and a drain at the end. `settings` is what the node was made with.
void PlanRandomScript(const SimulationSettings& settings, std::uint64_t seed, SimulatedNode& node);

/// The same script, each event given to `plan`, which may change it on its way.
using PlanEvent = std::function<void(Instant at, Event event)>;
void PlanRandomScript(const SimulationSettings& settings, std::uint64_t seed,
                      const PlanEvent& plan);

}  // namespace cotenant
