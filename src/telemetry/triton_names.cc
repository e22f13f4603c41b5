#include "telemetry/triton_names.h"

#include <string_view>

namespace cotenant {
namespace {

/// What the statistics lack, over all tenants.
struct Failures {
  std::uint64_t rejected = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t backend = 0;
};

Failures FailuresOf(const CounterTables& tables) {
  Failures failures;
  for (std::size_t i = 0; i < kMeteredTenantsMax; ++i) {
    const TenantTable* table = tables.Tenant(i);
    if (table == nullptr) continue;
    failures.rejected += table->Ended(End::kRejected) + table->Ended(End::kExpired);
    failures.cancelled += table->Ended(End::kCancelled);
    failures.backend += table->Ended(End::kFailed);
  }
  return failures;
}

void WriteCounters(const PageSources& sources, const std::vector<ModelStatistics>& statistics,
                   PageWriter& page) {
  const auto family = [&](std::string_view name, std::string_view help, auto value) {
    page.Family(name, "counter", help);
    for (std::size_t i = 0; i < statistics.size(); ++i) {
      page.Sample(
          {{"model", sources.models[i]->model()}, {"version", sources.models[i]->version()}},
          std::uint64_t{value(statistics[i])});
    }
  };
  using S = const ModelStatistics&;
  family("nv_inference_request_success", "Number of successful inference requests",
         [](S s) { return s.success.count; });
  page.Family("nv_inference_request_failure", "counter", "Number of failed inference requests");
  for (const auto& model : sources.models) {
    const Failures failures = FailuresOf(model->tables());
    const auto sample = [&](std::string_view reason, std::uint64_t count) {
      page.Sample({{"model", model->model()}, {"version", model->version()}, {"reason", reason}},
                  count);
    };
    sample("REJECTED", failures.rejected);
    sample("CANCELED", failures.cancelled);
    sample("BACKEND", failures.backend);
    sample("OTHER", 0);
  }
  family("nv_inference_count", "Number of inferences performed (rows)",
         [](S s) { return s.inference_count; });
  family("nv_inference_exec_count", "Number of model executions performed",
         [](S s) { return s.execution_count; });
  family("nv_inference_request_duration_us", "Cumulative request duration in microseconds",
         [](S s) { return s.success.nanoseconds / 1000; });
  family("nv_inference_queue_duration_us", "Cumulative queuing duration in microseconds",
         [](S s) { return s.queue.nanoseconds / 1000; });
  family("nv_inference_compute_input_duration_us", "Cumulative input duration in microseconds",
         [](S s) { return s.compute_input.nanoseconds / 1000; });
  family("nv_inference_compute_infer_duration_us", "Cumulative inference duration in microseconds",
         [](S s) { return s.compute_infer.nanoseconds / 1000; });
  family("nv_inference_compute_output_duration_us", "Cumulative output duration in microseconds",
         [](S s) { return s.compute_output.nanoseconds / 1000; });
}

void WriteSummary(const PageSources& sources, Histogram TenantTable::*member, PageWriter& page) {
  for (const auto& model : sources.models) {
    Histogram::Counts counts{};
    std::uint64_t nanoseconds = 0;
    for (std::size_t i = 0; i < kMeteredTenantsMax; ++i) {
      const TenantTable* table = model->tables().Tenant(i);
      if (table != nullptr) (table->*member).AddTo(counts, nanoseconds);
    }
    page.SummarySamples({{"model", model->model()}, {"version", model->version()}}, counts,
                        nanoseconds);
  }
}

}  // namespace

void WriteTritonNames(const PageSources& sources, const MachineMemory& memory,
                      double cpu_utilization, PageWriter& page) {
  std::vector<ModelStatistics> statistics;
  for (const auto& model : sources.models) statistics.push_back(model->Statistics());
  WriteCounters(sources, statistics, page);
  page.Family("nv_inference_pending_request_count", "gauge",
              "Requests that wait for a run, per model");
  for (const ModelGauge& model : sources.gauges.models) {
    page.Sample({{"model", model.model}, {"version", model.version}}, std::uint64_t{model.waiting});
  }
  page.Family("nv_model_load_duration_secs", "gauge", "Duration of the model's last load");
  for (const auto& model : sources.models) {
    page.Sample({{"model", model->model()}, {"version", model->version()}},
                static_cast<double>(Get(model->tables().load_ns)) / 1e9);
  }
  page.Family("nv_inference_request_summary_us", "summary",
              "Request duration in microseconds since the start");
  WriteSummary(sources, &TenantTable::duration, page);
  page.Family("nv_inference_queue_summary_us", "summary",
              "Queuing duration in microseconds since the start");
  WriteSummary(sources, &TenantTable::queue, page);
  page.Family("nv_cpu_utilization", "gauge", "CPU utilization of the machine, 0 to 1");
  page.Sample({}, cpu_utilization);
  page.Family("nv_cpu_memory_total_bytes", "gauge", "Memory of the machine");
  page.Sample({}, memory.total_bytes);
  page.Family("nv_cpu_memory_used_bytes", "gauge", "Memory of the machine in use");
  page.Sample({}, memory.used_bytes);
}

}  // namespace cotenant
