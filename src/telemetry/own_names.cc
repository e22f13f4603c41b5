#include "telemetry/own_names.h"

#include <string_view>

#include "telemetry/memory_meters.h"
#include "telemetry/process_facts.h"

namespace cotenant {
namespace {

constexpr std::array<std::string_view, 2> kProtocolNames = {"http", "grpc"};
constexpr std::array<End, kEnds> kAllEnds = {End::kReplied, End::kRejected, End::kExpired,
                                             End::kCancelled, End::kFailed};

/// Calls `each(counters, tenant's label, table)` for every pair that has a table.
template <typename Each>
void ForEachTable(const PageSources& sources, Each each) {
  for (const auto& counters : sources.models) {
    for (std::size_t i = 0; i < kMeteredTenantsMax; ++i) {
      const TenantTable* table = counters->tables().Tenant(i);
      if (table != nullptr) each(*counters, sources.TenantLabel(i), *table);
    }
  }
}

void WriteEnds(const PageSources& sources, PageWriter& page) {
  page.Family("cotenant_requests_total", "counter",
              "Accepted requests that ended, by how, and for those not run by why.");
  ForEachTable(sources, [&](const ModelCounters& model, const std::string& tenant,
                            const TenantTable& table) {
    for (End end : kAllEnds) {
      for (std::size_t reason = 0; reason < kReasons; ++reason) {
        const std::uint64_t count = Get(table.ends[static_cast<std::size_t>(end)][reason]);
        // The first end is always shown, so that a rate has a series to start from.
        if (count == 0 && !(end == End::kReplied && reason == kNoReason)) continue;
        const std::string_view why =
            reason == kNoReason ? "none" : RejectReasonName(static_cast<RejectReason>(reason));
        page.Sample({{"model", model.model()},
                     {"version", model.version()},
                     {"tenant", tenant},
                     {"end", EndName(end)},
                     {"reason", why}},
                    count);
      }
    }
  });
}

void WriteHistogram(const PageSources& sources, Histogram TenantTable::*member, PageWriter& page) {
  ForEachTable(sources, [&](const ModelCounters& model, const std::string& tenant,
                            const TenantTable& table) {
    Histogram::Counts counts{};
    std::uint64_t nanoseconds = 0;
    (table.*member).AddTo(counts, nanoseconds);
    page.HistogramSamples(
        {{"model", model.model()}, {"version", model.version()}, {"tenant", tenant}}, counts,
        nanoseconds);
  });
}

void WriteTenants(const PageSources& sources, PageWriter& page) {
  WriteEnds(sources, page);
  page.Family("cotenant_rows_total", "counter", "Rows of requests that were replied.");
  ForEachTable(sources, [&](const ModelCounters& model, const std::string& tenant,
                            const TenantTable& table) {
    page.Sample({{"model", model.model()}, {"version", model.version()}, {"tenant", tenant}},
                Get(table.rows));
  });
  page.Family("cotenant_bounds_total", "counter",
              "Requests with a latency bound that ended, by whether it was met.");
  ForEachTable(sources, [&](const ModelCounters& model, const std::string& tenant,
                            const TenantTable& table) {
    for (bool met : {true, false}) {
      page.Sample({{"model", model.model()},
                   {"version", model.version()},
                   {"tenant", tenant},
                   {"met", met ? "true" : "false"}},
                  Get(met ? table.bounds_met : table.bounds_missed));
    }
  });
  page.Family("cotenant_request_duration_seconds", "histogram",
              "From arrival to the reply being ready, of requests that were replied.");
  WriteHistogram(sources, &TenantTable::duration, page);
  page.Family("cotenant_queue_duration_seconds", "histogram",
              "From arrival to the start of the run, of requests that were replied.");
  WriteHistogram(sources, &TenantTable::queue, page);
}

void WriteResidency(const PageSources& sources, PageWriter& page) {
  const auto counter = [&](std::string_view name, std::string_view help, auto value) {
    page.Family(name, "counter", help);
    for (const auto& model : sources.models) {
      page.Sample({{"model", model->model()}, {"version", model->version()}},
                  value(model->Residency()));
    }
  };
  using Counts = const ResidencyCounts&;
  counter("cotenant_model_loads_total", "Loads of the network that ended well.",
          [](Counts counts) { return counts.loads.count; });
  counter("cotenant_model_failed_loads_total", "Loads of a network that was evicted which failed.",
          [](Counts counts) { return counts.loads_failed; });
  counter("cotenant_model_load_seconds_total", "Time that those loads took which ended well.",
          [](Counts counts) { return static_cast<double>(counts.loads.nanoseconds) / 1e9; });
  counter("cotenant_model_evictions_total", "How often the network left memory for others.",
          [](Counts counts) { return counts.evictions; });
  counter("cotenant_model_cold_starts_total",
          "Requests that found the network out of memory when they arrived.",
          [](Counts counts) { return counts.cold_starts; });
  page.Family("cotenant_model_resident", "gauge", "1 while the network is in memory.");
  for (const ModelGauge& model : sources.gauges.models) {
    page.Sample({{"model", model.model}, {"version", model.version}},
                std::uint64_t{model.resident ? 1u : 0u});
  }
  const auto of_variants = [&](std::string_view name, std::string_view type, std::string_view help,
                               auto value) {
    page.Family(name, type, help);
    for (const ModelGauge& model : sources.gauges.models) {
      for (const VariantGauge& variant : model.variants) {
        page.Sample(
            {{"model", model.model}, {"version", model.version}, {"variant", variant.variant}},
            value(variant));
      }
    }
  };
  of_variants("cotenant_variant_resident", "gauge",
              "1 while this variant of a model that has several is in memory.",
              [](const VariantGauge& variant) { return std::uint64_t{variant.resident}; });
  of_variants("cotenant_variant_runs_total", "counter", "Runs of this variant that ended.",
              [](const VariantGauge& variant) { return variant.runs; });
  page.Family("cotenant_model_run_peak_bytes", "gauge", "The most that one run of it took.");
  for (const ModelGauge& model : sources.gauges.models) {
    page.Sample({{"model", model.model}, {"version", model.version}}, model.run_peak_bytes);
  }
}

void WriteModels(const PageSources& sources, PageWriter& page) {
  page.Family("cotenant_run_duration_seconds", "histogram",
              "The network's time per run, of runs that finished.");
  for (const auto& model : sources.models) {
    Histogram::Counts counts{};
    std::uint64_t nanoseconds = 0;
    model->tables().run_duration.AddTo(counts, nanoseconds);
    page.HistogramSamples({{"model", model->model()}, {"version", model->version()}}, counts,
                          nanoseconds);
  }
  page.Family("cotenant_runs_total", "counter", "Runs of the network (batches) that ended.");
  for (const auto& model : sources.models) {
    page.Sample({{"model", model->model()}, {"version", model->version()}},
                Get(model->tables().runs));
  }
  page.Family("cotenant_failed_runs_total", "counter", "Runs that failed or were stopped.");
  for (const auto& model : sources.models) {
    page.Sample({{"model", model->model()}, {"version", model->version()}},
                Get(model->tables().runs_failed));
  }
  page.Family("cotenant_load_duration_seconds", "gauge", "How long the last load took.");
  for (const auto& model : sources.models) {
    page.Sample({{"model", model->model()}, {"version", model->version()}},
                static_cast<double>(Get(model->tables().load_ns)) / 1e9);
  }
  WriteResidency(sources, page);
  page.Family("cotenant_waiting_requests", "gauge", "Requests that wait for a run.");
  for (const ModelGauge& model : sources.gauges.models) {
    page.Sample({{"model", model.model}, {"version", model.version}}, std::uint64_t{model.waiting});
  }
  page.Family("cotenant_model_memory_bytes", "gauge",
              "Memory of the loaded network: anonymous, and mapped from files.");
  for (const ModelGauge& model : sources.gauges.models) {
    page.Sample({{"model", model.model}, {"version", model.version}, {"kind", "anonymous"}},
                model.anonymous_bytes);
    page.Sample({{"model", model.model}, {"version", model.version}, {"kind", "mapped"}},
                model.mapped_bytes);
  }
}

void WriteProtocols(const PageSources& sources, PageWriter& page) {
  page.Family("cotenant_connections", "gauge", "Open connections of clients.");
  for (std::size_t i = 0; i < kProtocolNames.size(); ++i) {
    const std::uint64_t closed = Get(sources.protocols[i].closed);
    const std::uint64_t opened = Get(sources.protocols[i].opened);
    const std::uint64_t open = opened > closed ? opened - closed : 0;
    page.Sample({{"protocol", kProtocolNames[i]}}, open + sources.facts[i].connections);
  }
  page.Family("cotenant_opened_connections_total", "counter",
              "HTTP connections that were accepted.");
  page.Sample({{"protocol", "http"}}, Get(sources.protocols[0].opened));
  page.Family("cotenant_refused_requests_total", "counter",
              "Requests answered with an error before they were accepted, by HTTP status or gRPC "
              "code.");
  for (std::size_t i = 0; i < kProtocolNames.size(); ++i) {
    for (std::size_t status = 0; status < kRefusalStatuses; ++status) {
      const std::uint64_t count = Get(sources.protocols[i].refused[status]);
      if (count == 0) continue;
      page.Sample({{"protocol", kProtocolNames[i]}, {"status", std::to_string(status)}}, count);
    }
    const std::uint64_t other = Get(sources.protocols[i].refused_other);
    if (other > 0) page.Sample({{"protocol", kProtocolNames[i]}, {"status", "other"}}, other);
  }
}

void WriteNode(const PageSources& sources, PageWriter& page) {
  const NodeGauges& gauges = sources.gauges;
  page.Family("cotenant_build_info", "gauge", "1, with the version as label.");
  page.Sample({{"version", COTENANT_VERSION}}, std::uint64_t{1});
  page.Family("cotenant_ready", "gauge", "1 while the server takes requests.");
  page.Sample({}, std::uint64_t{gauges.ready ? 1u : 0u});
  page.Family("cotenant_accepted_requests_total", "counter",
              "Requests that were accepted; each ends once, in cotenant_requests_total.");
  page.Sample({}, gauges.accepted);
  page.Family("cotenant_running_runs", "gauge", "Runs that have begun and not ended.");
  page.Sample({}, std::uint64_t{gauges.running});
  page.Family("cotenant_slots", "gauge", "CPU slots that runs share.");
  page.Sample({}, std::uint64_t{gauges.slots});
  page.Family("cotenant_uptime_seconds", "gauge", "Since the server started.");
  page.Sample({}, gauges.uptime_seconds);
}

void WriteMemory(const MemoryGauges& memory, PageWriter& page) {
  page.Family("cotenant_memory_budget_bytes", "gauge",
              "What the server may take in all. 0: no limit.");
  page.Sample({}, memory.budget_bytes);
  page.Family("cotenant_memory_part_bytes", "gauge", "The parts of the budget.");
  page.Sample({{"part", "base"}}, memory.base_bytes);
  page.Sample({{"part", "requests"}}, memory.requests_bytes);
  page.Sample({{"part", "models"}}, memory.models_bytes);
  page.Sample({{"part", "parked"}}, memory.parked_bytes);
  page.Family("cotenant_memory_parked_bytes", "gauge",
              "Sessions of networks that left memory and are kept without their weights.");
  page.Sample({}, memory.parked_in_use_bytes);
  page.Family("cotenant_memory_ledger_bytes", "gauge",
              "What the budget's part for models is taken by: models, the reserve for their runs; "
              "and what is free of it.");
  page.Sample({{"kind", "models"}}, memory.ledger_models_bytes);
  page.Sample({{"kind", "runs"}}, memory.ledger_runs_bytes);
  page.Sample({{"kind", "free"}}, memory.ledger_free_bytes);
  page.Sample({{"kind", "given_up"}}, memory.ledger_given_up_bytes);
  page.Family("cotenant_memory_pool_bytes", "gauge",
              "Memory of the networks' allocator: in use, the most ever in use, and kept for the "
              "next run.");
  page.Sample({{"kind", "in_use"}}, memory.pool_in_use_bytes);
  page.Sample({{"kind", "peak"}}, memory.pool_peak_bytes);
  page.Sample({{"kind", "kept"}}, memory.pool_kept_bytes);
  if (const auto group = ReadCgroupMemory()) {
    page.Family(
        "cotenant_memory_cgroup_bytes", "gauge",
        "Of our cgroup: its limit if it has one, its use, and what of it is page cache that "
        "goes first.");
    if (group->limit) page.Sample({{"kind", "limit"}}, group->limit->count());
    page.Sample({{"kind", "usage"}}, group->usage.count());
    page.Sample({{"kind", "inactive_file"}}, group->inactive_file.count());
  }
  if (const auto pressure = ReadMemoryPressure()) {
    page.Family("cotenant_memory_pressure_seconds_total", "counter",
                "Time in which some, or all, programs stood still for want of memory.");
    const std::string_view of = pressure->own ? "cgroup" : "machine";
    page.Sample({{"of", of}, {"share", "some"}},
                static_cast<double>(pressure->some_microseconds) / 1e6);
    page.Sample({{"of", of}, {"share", "full"}},
                static_cast<double>(pressure->full_microseconds) / 1e6);
  }
}

void WriteProcess(PageWriter& page) {
  const ProcessFacts facts = ReadProcessFacts();
  page.Family("process_cpu_seconds_total", "counter", "User and system time of the process.");
  page.Sample({}, facts.cpu_seconds);
  page.Family("process_resident_memory_bytes", "gauge", "Resident memory.");
  page.Sample({}, facts.resident_bytes);
  page.Family("process_anonymous_memory_bytes", "gauge", "Resident memory that no file backs.");
  page.Sample({}, facts.anonymous_bytes);
  const ProcessMemory memory = ReadProcessMemory();
  page.Family("process_resident_memory_peak_bytes", "gauge", "The most memory ever resident.");
  page.Sample({}, memory.resident_peak.count());
  page.Family("process_major_faults_total", "counter", "Pages that had to be read from a disk.");
  page.Sample({}, memory.major_faults);
  page.Family("process_virtual_memory_bytes", "gauge", "Address space in use.");
  page.Sample({}, facts.virtual_bytes);
  page.Family("process_open_fds", "gauge", "Open files and sockets.");
  page.Sample({}, facts.open_files);
  page.Family("process_max_fds", "gauge", "The most files and sockets that may be open.");
  page.Sample({}, facts.open_files_max);
  page.Family("process_threads", "gauge", "Threads.");
  page.Sample({}, facts.threads);
  page.Family("process_start_time_seconds", "gauge", "Start of the process since the Unix epoch.");
  page.Sample({}, facts.start_seconds);
}

}  // namespace

std::string PageSources::TenantLabel(std::size_t index) const {
  if (index + 1 == kMeteredTenantsMax) return "other";
  if (index < tenants.size()) return tenants[index];
  return "tenant " + std::to_string(index);
}

void WriteOwnNames(const PageSources& sources, PageWriter& page) {
  WriteNode(sources, page);
  WriteTenants(sources, page);
  WriteModels(sources, page);
  WriteProtocols(sources, page);
  WriteMemory(sources.gauges.memory, page);
  WriteProcess(page);
}

}  // namespace cotenant
