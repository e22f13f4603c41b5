#pragma once

/// What happened to the requests of one version of one model, per tenant: the numbers behind
/// `/metrics` and the statistics reply.
///
/// Written by the threads that end requests and runs, with relaxed atomics and no lock; read by
/// anybody at any time (a reader may see one request's fields half added). Counts never go back;
/// they outlive a reload of the same version.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "catalog/outcome.h"

namespace cotenant {

/// One request's end. Times are zero for what did not happen.
struct RequestRecord {
  TenantId tenant{};
  End end = End::kReplied;
  RejectReason reason = RejectReason::kQueueFull;  ///< Meaningful for rejected and expired.
  std::int32_t rows = 1;
  Duration queue;           ///< Arrival to start of the run.
  Duration compute_input;   ///< Putting the inputs in place, joining the members.
  Duration compute_infer;   ///< The network.
  Duration compute_output;  ///< Splitting the outputs.
  Duration total;           ///< Arrival to the reply being ready.
  bool bounded = false;
  bool bound_met = false;
  bool cold = false;                   ///< Its model was not in memory when it arrived.
  std::int64_t wall_milliseconds = 0;  ///< Since the Unix epoch, for `last_inference`.
};

/// One run's end (a batch of one or more requests).
struct RunRecord {
  std::int32_t rows = 1;
  std::int32_t requests = 1;
  bool failed = false;
  Duration compute_input;
  Duration compute_infer;
  Duration compute_output;
};

/// A count and the time it took together, as the statistics reply pairs them.
struct CountedTime {
  std::uint64_t count = 0;
  std::uint64_t nanoseconds = 0;
};

/// A consistent-enough copy for the statistics replies of HTTP and gRPC.
struct ModelStatistics {
  std::uint64_t last_inference_milliseconds = 0;
  std::uint64_t inference_count = 0;  ///< Rows of successful requests.
  std::uint64_t execution_count = 0;  ///< Runs.
  CountedTime success, fail, queue, compute_input, compute_infer, compute_output;
  struct Batch {
    std::uint64_t rows = 0;
    CountedTime compute_input, compute_infer, compute_output;
  };
  std::vector<Batch> batches;  ///< By rows, ascending.
};

/// How often the network came into memory and left it.
struct ResidencyCounts {
  CountedTime loads;
  std::uint64_t loads_failed = 0;
  std::uint64_t evictions = 0;
  std::uint64_t cold_starts = 0;  ///< Requests that found it out of memory.
};

class CounterTables;  // telemetry/counter_tables.h: the atomics themselves

class ModelCounters {
 public:
  ModelCounters(std::string model, std::string version);
  ~ModelCounters();
  ModelCounters(const ModelCounters&) = delete;
  ModelCounters& operator=(const ModelCounters&) = delete;

  /// Allocates once for a tenant's first request with this model, and never again.
  void RequestEnded(const RequestRecord& record);
  void RunEnded(const RunRecord& record);
  /// A load ended well; for the first time, or back from having been evicted.
  void LoadedIn(Duration ran_for);
  void LoadFailed();
  void Evicted();
  ModelStatistics Statistics() const;
  ResidencyCounts Residency() const;

  const std::string& model() const { return model_; }
  const std::string& version() const { return version_; }
  /// For the page.
  const CounterTables& tables() const { return *tables_; }

 private:
  std::string model_;
  std::string version_;
  std::unique_ptr<CounterTables> tables_;
};

}  // namespace cotenant
