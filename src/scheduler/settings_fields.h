#pragma once

/// The fields of the settings that the brain is given, for event logs and snapshots.
///
/// Each list unpacks the whole struct, so that a field that is added there and forgotten here does
/// not compile. A change of a list changes the format: raise `kEventLogVersion`.

#include "catalog/model_config.h"
#include "catalog/tenant.h"
#include "scheduler/events.h"
#include "scheduler/field_archive.h"
#include "scheduler/scheduler.h"

namespace cotenant {

template <>
inline constexpr TimeoutAction kLastOf<TimeoutAction> = TimeoutAction::kDelay;

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Tenant> auto& tenant) {
  auto& [name, weight, latency_bound, waiting_max, accuracy_min, memory_max] = tenant;
  archive(name, weight, latency_bound, waiting_max, accuracy_min, memory_max);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<PolicyChoice> auto& choice) {
  auto& [dispatch, batching, admission, residency, prediction] = choice;
  archive(dispatch, batching, admission, residency, prediction);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<NodeSettings> auto& settings) {
  auto& [tenants, policies] = settings;
  archive(tenants, policies);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<QueuePolicy> auto& policy) {
  auto& [timeout_action, default_timeout, allow_timeout_override, waiting_max] = policy;
  archive(timeout_action, default_timeout, allow_timeout_override, waiting_max);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<DynamicBatching> auto& window) {
  auto& [preferred_sizes, queue_delay_max, preserve_ordering, priority_levels,
         default_priority_level, default_policy, priority_policies] = window;
  archive(preferred_sizes, queue_delay_max, preserve_ordering, priority_levels,
          default_priority_level, default_policy, priority_policies);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<ModelSettings> auto& model) {
  auto& [rows_max, cores, batching, window, pinned, accuracy_min, idle_unload] = model;
  archive(rows_max, cores, batching, window, pinned, accuracy_min, idle_unload);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<SchedulerSettings> auto& settings) {
  auto& [slots, inline_turn_max, inline_run_max, inline_beyond_slots_max, waiting_max, loads_max,
         memory, run_peak_floor, node] = settings;
  archive(slots, inline_turn_max, inline_run_max, inline_beyond_slots_max, waiting_max, loads_max,
          memory, run_peak_floor, node);
}

}  // namespace cotenant
