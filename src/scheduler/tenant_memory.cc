/// What the models that one tenant alone uses may take of memory.
///
/// A model counts for a tenant while only that one has asked for it since its load began. A load
/// that only such a tenant waits for, and that would take it beyond its limit, takes from the
/// tenant's own models first, the least recently used ones; and so does a use that makes a model
/// its own.

#include <algorithm>
#include <utility>

#include "scheduler/body.h"

namespace cotenant {

Bytes Scheduler::Body::MemoryMaxOf(TenantId tenant) const {
  const auto& tenants = settings_.node.tenants;
  return ToIndex(tenant) < tenants.size() ? tenants[ToIndex(tenant)].memory_max : Bytes();
}

void Scheduler::Body::NoteUser(ModelRecord& model, TenantId tenant) {
  ModelMemory& memory = model.memory;
  if (memory.shared || memory.user == tenant) return;
  memory.shared = memory.user.has_value();
  memory.user = tenant;
  if (tenants_capped_) Stir();
}

/// Those who wait are the first who have asked since its load began.
void Scheduler::Body::BeginUse(ModelRecord& model) {
  model.memory.user.reset();
  model.memory.shared = false;
  if (!Limited()) return;
  for (std::uint32_t i = model.first_queue; i != kNowhere; i = queues_.queue(i).next) {
    queues_.ForEach(i, [&](std::uint32_t index) { NoteUser(model, requests_[index].tenant); });
  }
}

std::optional<TenantId> Scheduler::Body::CappedUser(const ModelRecord& model) const {
  const ModelMemory& memory = model.memory;
  const bool counts = memory.held > Bytes() && !memory.shared && memory.user;
  return counts && MemoryMaxOf(*memory.user) > Bytes() ? memory.user : std::nullopt;
}

std::optional<TenantId> Scheduler::Body::OnlyTenantWaiting(const ModelRecord& model) const {
  if (!tenants_capped_) return std::nullopt;
  std::optional<TenantId> only;
  bool several = false;
  for (std::uint32_t i = model.first_queue; i != kNowhere; i = queues_.queue(i).next) {
    queues_.ForEach(i, [&](std::uint32_t index) {
      const TenantId tenant = requests_[index].tenant;
      several = several || (only && *only != tenant);
      only = tenant;
    });
  }
  return several ? std::nullopt : only;
}

bool Scheduler::Body::TooLargeFor(TenantId tenant, const ModelRecord& model) const {
  const Bytes most = MemoryMaxOf(tenant);
  return most > Bytes() && model.memory.size > most;
}

Bytes Scheduler::Body::TakenBy(TenantId tenant, const ModelRecord* but,
                               bool on_their_way_out) const {
  using State = ModelRecord::State;
  Bytes sum;
  for (const ModelRecord& model : models_) {
    if (CappedUser(model) != tenant) continue;
    if (but != nullptr && model.family == but->family) continue;
    const bool goes = model.state == State::kLeaving || model.state == State::kEvicting ||
                      model.state == State::kUnloading;
    if (goes || !on_their_way_out) sum += model.memory.held;
  }
  return sum;
}

/// True: some are on their way out, or may be told so later. False: there is no more to take.
bool Scheduler::Body::TakeFromTenant(TenantId tenant, const ModelRecord* but, Bytes lacking) {
  lacking -= TakenBy(tenant, but, true);
  bool later = false;
  while (lacking > Bytes()) {
    ModelId oldest = kNoModelId;
    ModelId next = kNoModelId;
    const auto used = [this](ModelId id) { return FirstOf(models_[ToIndex(id)]).memory.last_used; };
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const ModelRecord& model = models_[i];
      if (CappedUser(model) != tenant || (but != nullptr && model.family == but->family)) continue;
      const bool here = InMemory(model) && !model.settings.pinned && !model.unload_wanted;
      if (here && Holds(model, true)) {
        if (StaysUntil(model) > now_) tend_at_ = std::min(tend_at_, StaysUntil(model));
        later = true;
      }
      later = later || model.state == ModelRecord::State::kLoading;
      if (!here || Holds(model, true)) continue;
      const ModelId id{static_cast<std::uint32_t>(i)};
      if (oldest == kNoModelId || used(id) < used(oldest)) {
        next = std::exchange(oldest, id);
      } else if (next == kNoModelId || used(id) < used(next)) {
        next = id;
      }
    }
    if (oldest == kNoModelId) return later;
    if (out_->with_reasons) {
      EvictDecision& why = NoteEvict(oldest, std::nullopt, lacking, EvictReason::kTenant);
      why.figure = "ms unused";
      why.value = (now_ - used(oldest)).nanoseconds() / 1'000'000;
      if (next != kNoModelId) {
        why.next = next;
        why.next_value = (now_ - used(next)).nanoseconds() / 1'000'000;
      }
    }
    lacking -= models_[ToIndex(oldest)].memory.held;
    Leave(oldest);
  }
  return true;
}

Scheduler::Body::Room Scheduler::Body::RoomOfTenant(ModelId id) {
  const ModelRecord& model = models_[ToIndex(id)];
  const std::optional<TenantId> tenant = OnlyTenantWaiting(model);
  const Bytes most = tenant ? MemoryMaxOf(*tenant) : Bytes();
  if (most == Bytes()) return Room::kNow;
  if (TooLargeFor(*tenant, model)) {
    RefuseLoad(id, RejectReason::kTenantMemory);
    return Room::kNever;
  }
  const Bytes lacking = TakenBy(*tenant, &model, false) + model.memory.size - most;
  if (lacking <= Bytes()) return Room::kNow;
  if (TakeFromTenant(*tenant, &model, lacking)) return Room::kLater;
  RefuseLoad(id, RejectReason::kNoRoom);
  return Room::kNever;
}

void Scheduler::Body::KeepTenantsWithin() {
  const auto& tenants = settings_.node.tenants;
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    if (tenants[i].memory_max == Bytes()) continue;
    const TenantId tenant{static_cast<std::uint32_t>(i)};
    const Bytes lacking = TakenBy(tenant, nullptr, false) - tenants[i].memory_max;
    if (lacking > Bytes()) TakeFromTenant(tenant, nullptr, lacking);
  }
}

}  // namespace cotenant
