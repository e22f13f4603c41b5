#pragma once

/// What the node knows of memory, for whoever asks: the budget's parts, the ledger by model, the
/// networks' allocator, and what the system counts. Plain data, read at one moment but not under
/// one lock.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "execution/executor.h"
#include "scheduler/scheduler.h"
#include "server/memory_budget.h"
#include "server/served_model.h"
#include "telemetry/memory_meters.h"
#include "telemetry/model_counters.h"

namespace cotenant {

/// One variant of a model that has several.
struct VariantMemoryRow {
  std::string name;
  Accuracy accuracy;
  Residence residence = Residence::kResident;
  LoadFacts facts;
  Bytes run_peak;
  Bytes load_peak;
  std::uint32_t waiting = 0;
};

struct ModelMemoryRow {
  std::string name;
  std::string version;
  Residence residence = Residence::kResident;
  LoadFacts facts;  ///< Of the last load, whether it is in memory or not.
  Bytes run_peak;   ///< The greatest that one run took.
  Bytes load_peak;  ///< At any moment of its load. Zero: nobody has measured it.
  std::uint32_t waiting = 0;
  std::optional<Duration> unused_for;  ///< Since its last request arrived; none: never asked.
  ResidencyCounts counts;
  /// Its own network first; empty where it has no other variant. What the row says is then of the
  /// one in memory, if there is one.
  std::vector<VariantMemoryRow> variants;
  std::vector<DroppedVariant> dropped;

  bool in_memory() const { return residence != Residence::kOut && residence != Residence::kParked; }
};

struct NodeMemory {
  MemoryBudget budget;
  MemoryFacts ledger;                  ///< The scheduler's account; zero without a budget.
  std::vector<ModelMemoryRow> models;  ///< By name, then version.
  Bytes parked;                        ///< What sessions of networks that left take.
  PoolFigures pool;
  ProcessMemory process;
  std::optional<CgroupMemory> cgroup;
  std::optional<MemoryPressure> pressure;
  Bytes available;  ///< Of the machine.
};

}  // namespace cotenant
