#include "server/model_table.h"

#include <charconv>

#include "base/quoted.h"

namespace cotenant {
namespace {

Status StillLoading(std::string_view model) {
  return Unavailable("model " + Quoted(model) + " is still loading");
}

Status TooLarge(std::string_view model, const std::string& reason) {
  return ResourceExhausted("model " + Quoted(model) + " is not loaded: " + reason);
}

}  // namespace

Result<std::shared_ptr<ServedModel>> ModelTable::Find(std::string_view model,
                                                      std::string_view version) const {
  auto name = names.find(model);
  if (name == names.end() && starting) {
    return Unavailable("model " + Quoted(model) + " is not known yet: the server is starting");
  }
  // A folder that was never loaded is not found; one that was, has no versions left.
  if (name == names.end() || name->second.versions.empty()) {
    return NotFound("Request for unknown model: " + Quoted(model) + " is not found");
  }
  const std::vector<VersionState>& versions = name->second.versions;
  if (version.empty()) {
    for (auto state = versions.rbegin(); state != versions.rend(); ++state) {
      if (state->served) return state->served;
    }
    if (versions.back().state == ModelState::kLoading) return StillLoading(model);
    if (versions.back().too_large) return TooLarge(model, versions.back().reason);
    return NotFound("Request for unknown model: " + Quoted(model) + " has no available versions");
  }
  std::int64_t number = 0;
  const char* end = version.data() + version.size();
  auto [parsed, error] = std::from_chars(version.data(), end, number);
  if (error != std::errc() || parsed != end || number <= 0) {
    return InvalidArgument("failed to get model version from specified version string " +
                           Quoted(version) + ", version should be an integral value > 0");
  }
  for (const VersionState& state : versions) {
    if (state.version != number) continue;
    if (state.served) return state.served;
    if (state.state == ModelState::kLoading) return StillLoading(model);
    if (state.too_large) return TooLarge(model, state.reason);
    return NotFound("Request for unknown model: " + Quoted(model) + " version " +
                    std::to_string(number) + " is not at ready state");
  }
  return NotFound("Request for unknown model: " + Quoted(model) + " version " +
                  std::to_string(number) + " is not found");
}

std::optional<TenantId> ModelTable::FindTenant(std::string_view name) const {
  if (name.empty()) return TenantId{0};
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    if (tenant_declared[i] && tenants[i].name == name) return static_cast<TenantId>(i);
  }
  return std::nullopt;
}

ModelTables::ModelTables(std::vector<Tenant> tenants) {
  auto table = std::make_shared<ModelTable>();
  table->tenant_declared.assign(tenants.size(), true);
  table->tenants = std::move(tenants);
  table_ = std::move(table);
}

std::shared_ptr<const ModelTable> ModelTables::Get() const {
  std::lock_guard lock(mutex_);
  return table_;
}

}  // namespace cotenant
