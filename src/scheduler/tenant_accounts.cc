#include "scheduler/tenant_accounts.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {

void TenantAccounts::Configure(const std::vector<Tenant>& tenants) {
  if (accounts_.size() < tenants.size()) accounts_.resize(tenants.size());
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    accounts_[i].weight = std::max<std::int64_t>(tenants[i].weight, 1);
    accounts_[i].latency_bound = tenants[i].latency_bound;
    accounts_[i].waiting_max = tenants[i].waiting_max;
  }
}

const TenantAccounts::Account& TenantAccounts::of(TenantId tenant) const {
  COTENANT_CHECK(ToIndex(tenant) < accounts_.size());
  return accounts_[ToIndex(tenant)];
}

void TenantAccounts::CountWaiting(TenantId tenant, std::int32_t by) {
  std::uint32_t& waiting = accounts_[ToIndex(tenant)].waiting;
  COTENANT_CHECK(by > 0 || waiting > 0);
  waiting = static_cast<std::uint32_t>(static_cast<std::int64_t>(waiting) + by);
}

std::int64_t TenantAccounts::VirtualStart(TenantId tenant) const {
  return std::max(virtual_time_, of(tenant).finish);
}

void TenantAccounts::Charge(TenantId tenant, Duration cost) {
  Account& account = accounts_[ToIndex(tenant)];
  const std::int64_t amount = cost.nanoseconds() + account.remainder;
  account.finish = VirtualStart(tenant) + amount / account.weight;
  account.remainder = amount % account.weight;
}

void TenantAccounts::Began(std::int64_t virtual_start) {
  virtual_time_ = std::max(virtual_time_, virtual_start);
}

void TenantAccounts::Settle() {
  for (Account& account : accounts_) {
    account.finish = virtual_time_;
    account.remainder = 0;
  }
}

}  // namespace cotenant
