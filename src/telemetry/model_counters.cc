#include "telemetry/model_counters.h"

#include <algorithm>
#include <utility>

#include "telemetry/counter_tables.h"

namespace cotenant {

TenantTable& CounterTables::ForTenant(TenantId tenant) {
  auto& place = tenants_[std::min(ToIndex(tenant), kMeteredTenantsMax - 1)];
  TenantTable* table = place.load(std::memory_order_acquire);
  if (table != nullptr) return *table;
  auto fresh = std::make_unique<TenantTable>();
  if (place.compare_exchange_strong(table, fresh.get(), std::memory_order_acq_rel)) {
    return *fresh.release();
  }
  return *table;
}

BatchTable* CounterTables::ForRows(std::int32_t rows) {
  auto at = static_cast<std::size_t>(rows) % kBatchRowsMax;
  for (std::size_t probes = 0; probes < kBatchRowsMax; ++probes) {
    BatchTable& batch = batches[at];
    std::int32_t taken = batch.rows.load(std::memory_order_relaxed);
    if (taken == 0 && batch.rows.compare_exchange_strong(taken, rows, std::memory_order_relaxed)) {
      return &batch;
    }
    if (taken == rows) return &batch;
    at = (at + 1) % kBatchRowsMax;
  }
  return nullptr;
}

ModelCounters::ModelCounters(std::string model, std::string version)
    : model_(std::move(model)),
      version_(std::move(version)),
      tables_(std::make_unique<CounterTables>()) {}

ModelCounters::~ModelCounters() = default;

void ModelCounters::RequestEnded(const RequestRecord& record) {
  TenantTable& table = tables_->ForTenant(record.tenant);
  if (record.cold) Add(tables_->cold_starts, 1);
  const bool has_reason = record.end == End::kRejected || record.end == End::kExpired;
  const std::size_t reason = has_reason ? static_cast<std::size_t>(record.reason) : kNoReason;
  if (record.end == End::kReplied) {
    Add(table.rows, static_cast<std::uint64_t>(std::max(record.rows, 0)));
    Add(table.compute_input_ns, record.compute_input);
    Add(table.compute_infer_ns, record.compute_infer);
    Add(table.compute_output_ns, record.compute_output);
    table.duration.Record(record.total);
    table.queue.Record(record.queue);
    tables_->last_inference_milliseconds.store(
        static_cast<std::uint64_t>(std::max<std::int64_t>(record.wall_milliseconds, 0)),
        std::memory_order_relaxed);
  } else {
    Add(table.fail_ns, record.total);
  }
  if (record.bounded) Add(record.bound_met ? table.bounds_met : table.bounds_missed, 1);
  // Last, so that who has seen the end also sees most of what belongs to it.
  Add(table.ends[static_cast<std::size_t>(record.end)][reason], 1);
}

void ModelCounters::RunEnded(const RunRecord& record) {
  Add(tables_->runs, 1);
  if (record.failed) {
    Add(tables_->runs_failed, 1);
    return;
  }
  tables_->run_duration.Record(record.compute_infer);
  BatchTable* batch = tables_->ForRows(std::max(record.rows, 1));
  if (batch == nullptr) return;
  Add(batch->count, 1);
  Add(batch->compute_input_ns, record.compute_input);
  Add(batch->compute_infer_ns, record.compute_infer);
  Add(batch->compute_output_ns, record.compute_output);
}

void ModelCounters::LoadedIn(Duration ran_for) {
  tables_->load_ns.store(
      static_cast<std::uint64_t>(std::max<std::int64_t>(ran_for.nanoseconds(), 0)),
      std::memory_order_relaxed);
  Add(tables_->loads, 1);
  Add(tables_->loads_ns, ran_for);
}

void ModelCounters::LoadFailed() { Add(tables_->loads_failed, 1); }

void ModelCounters::Evicted() { Add(tables_->evictions, 1); }

ResidencyCounts ModelCounters::Residency() const {
  return {{Get(tables_->loads), Get(tables_->loads_ns)},
          Get(tables_->loads_failed),
          Get(tables_->evictions),
          Get(tables_->cold_starts)};
}

ModelStatistics ModelCounters::Statistics() const {
  ModelStatistics statistics;
  statistics.last_inference_milliseconds = Get(tables_->last_inference_milliseconds);
  statistics.execution_count = Get(tables_->runs);
  Histogram::Counts ignored{};
  for (std::size_t i = 0; i < kMeteredTenantsMax; ++i) {
    const TenantTable* table = tables_->Tenant(i);
    if (table == nullptr) continue;
    const std::uint64_t replied = table->Ended(End::kReplied);
    statistics.inference_count += Get(table->rows);
    statistics.success.count += replied;
    table->duration.AddTo(ignored, statistics.success.nanoseconds);
    for (End end : {End::kRejected, End::kExpired, End::kCancelled, End::kFailed}) {
      statistics.fail.count += table->Ended(end);
    }
    statistics.fail.nanoseconds += Get(table->fail_ns);
    table->queue.AddTo(ignored, statistics.queue.nanoseconds);
    statistics.compute_input.nanoseconds += Get(table->compute_input_ns);
    statistics.compute_infer.nanoseconds += Get(table->compute_infer_ns);
    statistics.compute_output.nanoseconds += Get(table->compute_output_ns);
    for (CountedTime* part : {&statistics.queue, &statistics.compute_input,
                              &statistics.compute_infer, &statistics.compute_output}) {
      part->count += replied;
    }
  }
  for (const BatchTable& batch : tables_->batches) {
    const std::uint64_t count = Get(batch.count);
    if (count == 0) continue;
    ModelStatistics::Batch& entry = statistics.batches.emplace_back();
    entry.rows = static_cast<std::uint64_t>(batch.rows.load(std::memory_order_relaxed));
    entry.compute_input = {count, Get(batch.compute_input_ns)};
    entry.compute_infer = {count, Get(batch.compute_infer_ns)};
    entry.compute_output = {count, Get(batch.compute_output_ns)};
  }
  std::ranges::sort(statistics.batches, {}, &ModelStatistics::Batch::rows);
  return statistics;
}

}  // namespace cotenant
