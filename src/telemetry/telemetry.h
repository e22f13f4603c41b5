#pragma once

/// All counters of one process and their text form for Prometheus.
///
/// Label sets are bounded: models that were ever loaded (up to `kMeteredModelsMax`, later ones
/// share the label "other") times the configured tenants. Any thread; only `ForModel`, `SetTenants`
/// and `Exposition` take a lock, which no recording waits for.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/model_counters.h"

namespace cotenant {

/// Values that are read when the page is asked for.
/// Of a model that has several.
struct VariantGauge {
  std::string variant;
  bool resident = false;
  std::uint64_t runs = 0;
};

struct ModelGauge {
  std::string model;
  std::string version;
  std::uint32_t waiting = 0;
  std::int64_t anonymous_bytes = 0;
  std::int64_t mapped_bytes = 0;
  std::int64_t run_peak_bytes = 0;
  bool resident = true;
  std::vector<VariantGauge> variants = {};
};

/// The budget's parts and the scheduler's ledger, all zero without a budget; the networks'
/// allocator.
struct MemoryGauges {
  std::int64_t budget_bytes = 0;
  std::int64_t base_bytes = 0;
  std::int64_t requests_bytes = 0;
  std::int64_t models_bytes = 0;
  std::int64_t parked_bytes = 0;
  std::int64_t parked_in_use_bytes = 0;
  std::int64_t ledger_models_bytes = 0;
  std::int64_t ledger_runs_bytes = 0;
  std::int64_t ledger_free_bytes = 0;
  std::int64_t ledger_given_up_bytes = 0;
  std::int64_t pool_in_use_bytes = 0;
  std::int64_t pool_peak_bytes = 0;
  std::int64_t pool_kept_bytes = 0;
};

struct NodeGauges {
  std::vector<ModelGauge> models;
  std::uint32_t running = 0;
  std::uint32_t slots = 0;
  /// Arrivals that the brain took; each has one end in the models' counters.
  std::uint64_t accepted = 0;
  bool ready = false;
  double uptime_seconds = 0;
  MemoryGauges memory;
};

/// Versions of models with numbers of their own; raise it for a node that serves more, at about 8
/// KiB each.
inline constexpr std::size_t kMeteredModelsMax = 512;

/// Totals that protocols count: requests refused before they reached the brain, by protocol and
/// code.
enum class Protocol : unsigned char { kHttp, kGrpc };

/// What a protocol's library knows and does not tell as it happens.
struct ProtocolFacts {
  std::uint64_t connections = 0;  ///< Open now.
};

class Telemetry {
 public:
  Telemetry();
  ~Telemetry();

  /// The counters of a version; the same object every time.
  std::shared_ptr<ModelCounters> ForModel(std::string_view model, std::string_view version);
  /// Names by TenantId.
  void SetTenants(std::vector<std::string> names);
  /// A request that was answered with an error before it became a call (bad input, limits …).
  /// `status` is HTTP's status or gRPC's code.
  void CountRefused(Protocol protocol, int status);
  void ConnectionOpened(Protocol protocol);
  void ConnectionClosed(Protocol protocol);
  /// `ask` is called for each page, until it is replaced; empty: nobody is asked. Whoever sets it
  /// replaces it before what it looks at goes.
  void AskProtocol(Protocol protocol, std::function<ProtocolFacts()> ask);
  /// The whole page: `cotenant_*` by Prometheus' conventions, then Triton's `nv_*` names.
  std::string Exposition(const NodeGauges& gauges) const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
