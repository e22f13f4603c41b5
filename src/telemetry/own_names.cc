#include "telemetry/own_names.h"

#include <string_view>

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
    page.Sample({{"protocol", kProtocolNames[i]}}, opened > closed ? opened - closed : 0);
  }
  page.Family("cotenant_opened_connections_total", "counter", "Connections that were accepted.");
  for (std::size_t i = 0; i < kProtocolNames.size(); ++i) {
    page.Sample({{"protocol", kProtocolNames[i]}}, Get(sources.protocols[i].opened));
  }
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

void WriteProcess(PageWriter& page) {
  const ProcessFacts facts = ReadProcessFacts();
  page.Family("process_cpu_seconds_total", "counter", "User and system time of the process.");
  page.Sample({}, facts.cpu_seconds);
  page.Family("process_resident_memory_bytes", "gauge", "Resident memory.");
  page.Sample({}, facts.resident_bytes);
  page.Family("process_anonymous_memory_bytes", "gauge", "Resident memory that no file backs.");
  page.Sample({}, facts.anonymous_bytes);
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
  WriteProcess(page);
}

}  // namespace cotenant
