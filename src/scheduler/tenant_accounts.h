#pragma once

/// What each tenant was served and still waits for: the state behind `weighted-fair`, kept under
/// every policy.
///
/// Virtual time is device time divided by weight. A tenant's account runs ahead by what it has
/// queued, is corrected to what its runs really took, and never lies behind the node's virtual time
/// when it comes back from doing nothing, so that idleness saves nothing up.

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "catalog/tenant.h"

namespace cotenant {

class TenantAccounts {
 public:
  /// A tenant that is no longer listed keeps its last settings while it has requests.
  void Configure(const std::vector<Tenant>& tenants);

  /// Tenants ever listed.
  std::size_t size() const { return accounts_.size(); }
  Duration LatencyBound(TenantId tenant) const { return of(tenant).latency_bound; }
  std::uint32_t Waiting(TenantId tenant) const { return of(tenant).waiting; }
  std::uint32_t WaitingMax(TenantId tenant) const { return of(tenant).waiting_max; }
  bool Full(TenantId tenant) const { return of(tenant).waiting >= of(tenant).waiting_max; }

  /// The virtual time at which a request that arrives now would start; never before that of a
  /// request of the same tenant which still waits, so that a tenant's own order stands whatever its
  /// account is corrected to.
  std::int64_t VirtualStart(TenantId tenant) const;
  /// A request waits from now on, or no longer.
  void BeginWaiting(TenantId tenant, std::int64_t virtual_start);
  void EndWaiting(TenantId tenant);
  /// The tenant has queued (or, negative, taken back) this much device time.
  void Charge(TenantId tenant, Duration cost);
  /// A request with this virtual start began to run.
  void Began(std::int64_t virtual_start);
  /// Forgets what is queued, to charge it anew.
  void Settle();

 private:
  friend class Snapshot;
  struct Account {
    std::int64_t weight = 1;
    Duration latency_bound;
    std::uint32_t waiting_max = 0;
    std::uint32_t waiting = 0;
    std::int64_t finish = 0;
    std::int64_t last_start = 0;  ///< Of the request that came last, while any waits.
    std::int64_t remainder = 0;   ///< Of divisions by the weight, so that nothing gets lost.
  };

  const Account& of(TenantId tenant) const;
  std::int64_t Finish(const Account& account) const;

  std::vector<Account> accounts_;
  std::int64_t virtual_time_ = 0;
};

}  // namespace cotenant
