#include "telemetry/telemetry.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "telemetry/counter_tables.h"
#include "telemetry/own_names.h"
#include "telemetry/page_writer.h"
#include "telemetry/process_facts.h"
#include "telemetry/triton_names.h"

namespace cotenant {

struct Telemetry::Body {
  mutable std::mutex mutex;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ModelCounters>> models;
  std::shared_ptr<ModelCounters> other;
  std::vector<std::string> tenants = {"default"};
  ProtocolTables protocols;
  mutable std::mutex ask_mutex;
  std::array<std::function<ProtocolFacts()>, 2> ask;  ///< By Protocol.
  mutable MachineCpu cpu;
};

Telemetry::Telemetry() : body_(std::make_unique<Body>()) {}
Telemetry::~Telemetry() = default;

std::shared_ptr<ModelCounters> Telemetry::ForModel(std::string_view model,
                                                   std::string_view version) {
  const std::scoped_lock lock(body_->mutex);
  auto key = std::pair(std::string(model), std::string(version));
  const auto found = body_->models.find(key);
  if (found != body_->models.end()) return found->second;
  if (body_->models.size() >= kMeteredModelsMax) {
    if (!body_->other) body_->other = std::make_shared<ModelCounters>("other", "other");
    return body_->other;
  }
  auto counters = std::make_shared<ModelCounters>(key.first, key.second);
  body_->models.emplace(std::move(key), counters);
  return counters;
}

void Telemetry::SetTenants(std::vector<std::string> names) {
  const std::scoped_lock lock(body_->mutex);
  body_->tenants = std::move(names);
}

void Telemetry::CountRefused(Protocol protocol, int status) {
  ProtocolTable& table = body_->protocols[static_cast<std::size_t>(protocol)];
  const bool known = status >= 0 && static_cast<std::size_t>(status) < kRefusalStatuses;
  Add(known ? table.refused[static_cast<std::size_t>(status)] : table.refused_other, 1);
}

void Telemetry::ConnectionOpened(Protocol protocol) {
  Add(body_->protocols[static_cast<std::size_t>(protocol)].opened, 1);
}

void Telemetry::ConnectionClosed(Protocol protocol) {
  Add(body_->protocols[static_cast<std::size_t>(protocol)].closed, 1);
}

void Telemetry::AskProtocol(Protocol protocol, std::function<ProtocolFacts()> ask) {
  const std::scoped_lock lock(body_->ask_mutex);
  body_->ask[static_cast<std::size_t>(protocol)] = std::move(ask);
}

std::string Telemetry::Exposition(const NodeGauges& gauges) const {
  std::vector<std::shared_ptr<ModelCounters>> models;
  std::vector<std::string> tenants;
  {
    const std::scoped_lock lock(body_->mutex);
    for (const auto& [key, counters] : body_->models) models.push_back(counters);
    if (body_->other) models.push_back(body_->other);
    tenants = body_->tenants;
  }
  std::array<ProtocolFacts, 2> facts;
  {
    const std::scoped_lock lock(body_->ask_mutex);
    for (std::size_t i = 0; i < facts.size(); ++i) {
      if (body_->ask[i]) facts[i] = body_->ask[i]();
    }
  }
  PageWriter page;
  const PageSources sources{models, tenants, gauges, body_->protocols, facts};
  WriteOwnNames(sources, page);
  WriteTritonNames(sources, ReadMachineMemory(), body_->cpu.Utilization(), page);
  return std::move(page).Take();
}

}  // namespace cotenant
