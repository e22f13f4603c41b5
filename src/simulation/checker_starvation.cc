/// "Every accepted request begins after a bounded amount of other work, however much arrives
/// later": of the policies that declare it.
///
/// Looked at is the request that has waited longest, whenever a run takes a slot that it could have
/// had. One with a bound ends at it, and needs no check; nor does one that may wait for its model's
/// sake: for its order, its priorities, several cores, or until it is in memory.

#include <algorithm>

#include "policy/dispatch.h"
#include "simulation/checker.h"

namespace cotenant {

void Checker::List(std::uint32_t index, const Model& model) {
  Request& request = requests_[index];
  const ModelSettings& settings = model.settings;
  const bool levels = settings.batching && settings.window.priority_levels > 0;
  if (request.deadline < Instant::Max() || request.may_wait || levels || Limited()) return;
  request.listed = true;
  request.served_before = served_;
  const std::size_t tenant = ToIndex(request.tenant);
  if (tenant >= served_by_tenant_.size()) served_by_tenant_.resize(tenant + 1);
  request.own_before = served_by_tenant_[tenant];
  request.older = newest_;
  (newest_ == kNowhere ? oldest_ : requests_[newest_].newer) = index;
  newest_ = index;
}

void Checker::Unlist(Request& request) {
  if (!request.listed) return;
  request.listed = false;
  (request.older == kNowhere ? oldest_ : requests_[request.older].newer) = request.newer;
  (request.newer == kNowhere ? newest_ : requests_[request.newer].older) = request.older;
}

void Checker::CountServed(const Run& run, Duration ran_for) {
  longest_run_ = std::max(longest_run_, ran_for);
  if (order_ != OrderKept::kTenant || run.start.rows <= 0) return;
  for (const RequestId member : run.members) {
    const Request* const request = Find(member);
    if (request == nullptr) continue;
    const std::size_t tenant = ToIndex(request->tenant);
    if (tenant >= served_by_tenant_.size()) served_by_tenant_.resize(tenant + 1);
    const Duration share = ran_for * run.start.cores * request->rows / run.start.rows;
    served_by_tenant_[tenant] += share;
    served_ += share;
  }
}

void Checker::CheckStarved(const Run& run) {
  if (oldest_ == kNowhere || run.members.empty()) return;
  Request& oldest = requests_[oldest_];
  const Request* const began = Find(run.members.front());
  if (began == nullptr || began->starts > 1 || !Starves(oldest, *began)) return;
  Expect(false, [&] {
    return "request " + Name(oldest.id) + " starves: request " + Name(began->id) +
           ", which came later, begins before it";
  });
  Unlist(oldest);  // Once is enough.
}

bool Checker::Starves(const Request& oldest, const Request& began) const {
  if (began.sequence < oldest.sequence) return false;
  const Duration slack = kUnboundedDue + longest_run_ * 2;
  if (order_ != OrderKept::kTenant) return began.taken > oldest.taken + slack;
  // While its tenant gets what was queued before it, the others get as much as their weights allow.
  __extension__ using Wide = __int128;
  const auto& tenants = settings_.node.tenants;
  const std::size_t tenant = ToIndex(oldest.tenant);
  Wide weights = 0;
  for (const Tenant& each : tenants) weights += each.weight;
  const Wide weight = tenant < tenants.size() ? tenants[tenant].weight : 1;
  const Duration own = served_by_tenant_[tenant] - oldest.own_before;
  const Duration others = served_ - oldest.served_before - own - slack * settings_.slots;
  return others.nanoseconds() * weight > (own + longest_run_).nanoseconds() * weights;
}

}  // namespace cotenant
