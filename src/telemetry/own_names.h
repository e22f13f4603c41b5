#pragma once

/// The page's `cotenant_*` and `process_*` families. Values are read when it is written; any
/// thread.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "telemetry/counter_tables.h"
#include "telemetry/page_writer.h"
#include "telemetry/telemetry.h"

namespace cotenant {

/// HTTP statuses and gRPC codes that have a counter each.
inline constexpr std::size_t kRefusalStatuses = 600;

struct ProtocolTable {
  Counter opened{};
  Counter closed{};
  std::array<Counter, kRefusalStatuses> refused{};
  Counter refused_other{};
};
using ProtocolTables = std::array<ProtocolTable, 2>;  ///< By Protocol.

/// All that the page is made of.
struct PageSources {
  const std::vector<std::shared_ptr<ModelCounters>>& models;
  const std::vector<std::string>& tenants;
  const NodeGauges& gauges;
  const ProtocolTables& protocols;
  const std::array<ProtocolFacts, 2>& facts;  ///< By Protocol.

  /// The label of a tenant's table. Tables beyond the names given share no label, and the last one
  /// is "other".
  std::string TenantLabel(std::size_t index) const;
};

void WriteOwnNames(const PageSources& sources, PageWriter& page);

}  // namespace cotenant
