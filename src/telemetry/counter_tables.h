#pragma once

/// The atomics behind ModelCounters: fixed arrays by tenant, end and reason, written without a
/// lock.
///
/// A tenant's table is allocated at its first request (by whoever is first, with one exchange), so
/// that idle pairs of model and tenant cost a pointer. Read by the page and the statistics; every
/// value only grows.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "telemetry/histogram.h"
#include "telemetry/model_counters.h"

namespace cotenant {

/// Tenants with numbers of their own; those beyond share the last table. Raise it for a node with
/// more.
inline constexpr std::size_t kMeteredTenantsMax = 128;
/// Different numbers of rows that the statistics tell apart; later ones are left out of `batches`.
inline constexpr std::size_t kBatchRowsMax = 128;
inline constexpr std::size_t kEnds = 5;
/// Every RejectReason, and "none" for ends that have none.
inline constexpr std::size_t kReasons = 12;
inline constexpr std::size_t kNoReason = kReasons - 1;

using Counter = std::atomic<std::uint64_t>;

inline void Add(Counter& counter, std::uint64_t amount) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}
inline void Add(Counter& counter, Duration span) {
  if (span > Duration()) Add(counter, static_cast<std::uint64_t>(span.nanoseconds()));
}
inline std::uint64_t Get(const Counter& counter) { return counter.load(std::memory_order_relaxed); }

struct TenantTable {
  std::array<std::array<Counter, kReasons>, kEnds> ends{};
  Counter rows{};  ///< Of replied requests, as are the compute times.
  Counter compute_input_ns{};
  Counter compute_infer_ns{};
  Counter compute_output_ns{};
  Counter fail_ns{};  ///< Arrival to end of requests that were not replied.
  Counter bounds_met{};
  Counter bounds_missed{};
  Histogram duration;  ///< Replied requests, arrival to reply.
  Histogram queue;     ///< Replied requests, arrival to start of the run.

  std::uint64_t Ended(End end) const {
    std::uint64_t sum = 0;
    for (const Counter& counter : ends[static_cast<std::size_t>(end)]) sum += Get(counter);
    return sum;
  }
};

/// Runs of one number of rows. `rows` is 0 until somebody takes the place.
struct BatchTable {
  std::atomic<std::int32_t> rows{0};
  Counter count{};
  Counter compute_input_ns{};
  Counter compute_infer_ns{};
  Counter compute_output_ns{};
};

class CounterTables {
 public:
  CounterTables() = default;
  ~CounterTables() {
    for (auto& table : tenants_) delete table.load(std::memory_order_relaxed);
  }
  CounterTables(const CounterTables&) = delete;
  CounterTables& operator=(const CounterTables&) = delete;

  TenantTable& ForTenant(TenantId tenant);
  /// Null when the tenant never sent a request.
  const TenantTable* Tenant(std::size_t index) const {
    return tenants_[index].load(std::memory_order_acquire);
  }
  /// Null when all places are taken by other numbers of rows.
  BatchTable* ForRows(std::int32_t rows);

  std::array<BatchTable, kBatchRowsMax> batches;
  Histogram run_duration;
  Counter runs{};
  Counter runs_failed{};
  Counter load_ns{};  ///< Of the last load.
  Counter loads{};
  Counter loads_failed{};
  Counter loads_ns{};
  Counter evictions{};
  Counter cold_starts{};
  Counter last_inference_milliseconds{};

 private:
  std::array<std::atomic<TenantTable*>, kMeteredTenantsMax> tenants_{};
};

}  // namespace cotenant
