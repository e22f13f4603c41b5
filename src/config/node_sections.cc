#include "config/node_sections.h"

#include <algorithm>
#include <set>

#include "catalog/policy_rows.h"

namespace cotenant {
namespace {

constexpr std::string_view kPolicyKeys[] = {"dispatch", "batching", "admission", "residency",
                                            "prediction"};
constexpr std::string_view kTenantKeys[] = {"name",        "weight",       "latency_bound_ms",
                                            "waiting_max", "accuracy_min", "memory_max_mib"};

constexpr std::int64_t kWeightMax = 1'000'000;
constexpr std::int64_t kBoundMillisecondsMax = 3'600'000;
constexpr std::int64_t kWaitingMax = 1'000'000;
constexpr double kMebibytesMax = 1 << 20;
constexpr double kMebibyte = 1 << 20;
constexpr std::size_t kNameSizeMax = 64;

void ReadTenant(TomlReader& reader, const TomlNode& table, std::vector<Tenant>& tenants,
                std::set<std::string>& names) {
  reader.CheckKeys(table, kTenantKeys, " of a tenant");
  Tenant tenant;
  tenant.name = ReadPlainName(reader, table, "a tenant");
  if (!tenant.name.empty() && !names.insert(tenant.name).second) {
    reader.Error(table.Find("name")->place, "tenant '" + tenant.name + "' is declared twice");
  }
  std::int64_t bound = 0;
  std::int64_t waiting = tenant.waiting_max;
  reader.Integer(table, "weight", 1, kWeightMax, tenant.weight);
  reader.Integer(table, "latency_bound_ms", 0, kBoundMillisecondsMax, bound);
  reader.Integer(table, "waiting_max", 1, kWaitingMax, waiting);
  std::int64_t accuracy = 0;
  reader.Scaled(table, "accuracy_min", 0, 100, 1'000, accuracy);
  tenant.accuracy_min = static_cast<std::int32_t>(accuracy);
  std::int64_t memory = 0;
  reader.Scaled(table, "memory_max_mib", 0, kMebibytesMax, kMebibyte, memory);
  tenant.memory_max = Bytes(memory);
  tenant.latency_bound = Duration::Milliseconds(bound);
  tenant.waiting_max = static_cast<std::uint32_t>(waiting);
  if (tenant.name == "default") {
    tenants.front() = tenant;  // It exists without being declared; here it gets its properties.
  } else {
    tenants.push_back(tenant);
  }
}

}  // namespace

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= kNameSizeMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

std::string ReadPlainName(TomlReader& reader, const TomlNode& table, std::string_view what) {
  const TomlNode* name = table.Find("name");
  if (name == nullptr) {
    reader.Error(table.place, std::string(what) + " needs a 'name'");
  } else if (name->kind == TomlNode::Kind::kText && IsPlainName(name->text)) {
    return name->text;
  } else {
    reader.Error(name->place, "'name': expected 1 to " + std::to_string(kNameSizeMax) +
                                  " letters, digits, '-', '_' or '.'");
  }
  return {};
}

void ReadNodeSections(TomlReader& reader, const TomlNode& root, NodeSettings& settings) {
  if (const TomlNode* policies = reader.Table(root, "policies")) {
    PolicyChoice& choice = settings.policies;
    reader.CheckKeys(*policies, kPolicyKeys, " in [policies]");
    reader.Choice(*policies, "dispatch", kDispatchNames, choice.dispatch);
    reader.Choice(*policies, "batching", kBatchingNames, choice.batching);
    reader.Choice(*policies, "admission", kAdmissionNames, choice.admission);
    reader.Choice(*policies, "residency", kResidencyNames, choice.residency);
    reader.Choice(*policies, "prediction", kPredictionNames, choice.prediction);
  }
  std::set<std::string> names;
  for (const TomlNode* table : reader.Tables(root, "tenants", kTenantsMax, "tenants")) {
    ReadTenant(reader, *table, settings.tenants, names);
  }
}

}  // namespace cotenant
