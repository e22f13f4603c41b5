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

std::int64_t TenantAccounts::Finish(const Account& account) const {
  return std::max(virtual_time_, account.finish);
}

std::int64_t TenantAccounts::VirtualStart(TenantId tenant) const {
  const Account& account = of(tenant);
  const std::int64_t start = Finish(account);
  return account.waiting > 0 ? std::max(start, account.last_start) : start;
}

void TenantAccounts::BeginWaiting(TenantId tenant, std::int64_t virtual_start) {
  Account& account = accounts_[ToIndex(tenant)];
  ++account.waiting;
  account.last_start = virtual_start;
}

void TenantAccounts::EndWaiting(TenantId tenant) {
  std::uint32_t& waiting = accounts_[ToIndex(tenant)].waiting;
  COTENANT_CHECK(waiting > 0);
  --waiting;
}

void TenantAccounts::Charge(TenantId tenant, Duration cost) {
  Account& account = accounts_[ToIndex(tenant)];
  const std::int64_t amount = cost.nanoseconds() + account.remainder;
  if (account.weight == 1) {  // A division takes longer than all the rest.
    account.finish = Finish(account) + amount;
    account.remainder = 0;
    return;
  }
  account.finish = Finish(account) + amount / account.weight;
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
