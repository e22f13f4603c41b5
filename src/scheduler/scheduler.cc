#include "scheduler/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "scheduler/body.h"

namespace cotenant {

Scheduler::Scheduler(SchedulerSettings settings)
    : body_(std::make_unique<Body>(std::move(settings))) {}
Scheduler::~Scheduler() = default;

void Scheduler::Crank(Instant now, std::span<const Event> events, ActionList& actions) {
  body_->Crank(now, events, actions);
}
const SchedulerSettings& Scheduler::Settings() const { return body_->settings(); }
const ModelSettings* Scheduler::SettingsOf(ModelId model) const {
  const ModelRecord* record = std::as_const(*body_).FindModel(model);
  return record == nullptr ? nullptr : &record->settings;
}
const ArrivalHistory* Scheduler::HistoryOf(ModelId model) const {
  const ModelRecord* record = std::as_const(*body_).FindModel(model);
  const bool known = record != nullptr && record->memory.history.requests > 0;
  return known ? &record->memory.history : nullptr;
}
EndCounts Scheduler::Ends() const { return body_->ends(); }
std::uint32_t Scheduler::Waiting(ModelId model) const { return body_->Waiting(model); }
std::uint32_t Scheduler::Running() const { return body_->Running(); }
MemoryFacts Scheduler::Memory() const { return body_->Memory(); }
Status Scheduler::CheckEvents(Instant now, std::span<const Event> events) const {
  return body_->CheckEvents(now, events);
}

Scheduler::Body::Body(SchedulerSettings settings)
    : settings_(std::move(settings)),
      queues_(requests_),
      slots_(settings_.slots, settings_.inline_beyond_slots_max) {
  accounts_.Configure(settings_.node.tenants);
  UsePolicies(settings_.node.policies);
  limit_ = settings_.memory;
  if (Limited()) Reckon();
}

void Scheduler::Body::Crank(Instant now, std::span<const Event> events, ActionList& actions) {
  COTENANT_CHECK(now >= now_);
  now_ = now;
  out_ = &actions;
  actions.Clear();
  for (const Event& event : events) {
    ++sequence_;
    std::visit([this](const auto& known) { On(known); }, event);
  }
  ExpireWaiting();
  StartLoads();
  StartRuns();
  if (draining_ && !drained_ && requests_.size() == 0) {
    drained_ = true;
    actions.actions.push_back(Drained{});
  }
  SetWake();
}

std::uint32_t Scheduler::Body::Waiting(ModelId model) const {
  return ToIndex(model) < models_.size() ? models_[ToIndex(model)].waiting : 0;
}

const ModelRecord* Scheduler::Body::FindModel(ModelId model) const {
  if (ToIndex(model) >= models_.size()) return nullptr;
  const ModelRecord& record = models_[ToIndex(model)];
  return record.state == ModelRecord::State::kAbsent ? nullptr : &record;
}

ModelRecord* Scheduler::Body::FindModel(ModelId model) {
  return const_cast<ModelRecord*>(std::as_const(*this).FindModel(model));
}

void Scheduler::Body::SetWake() {
  // A timer that has rung, or is about to, is no longer counted on.
  if (armed_ <= now_) armed_ = Instant::Max();
  // What was queued anew while this crank went on may be due already.
  const Instant soonest = now_ + Duration::Nanoseconds(1);
  const Instant due = std::max(std::min(queues_.NextDue(), tend_at_), soonest);
  if (due >= armed_) return;
  armed_ = due;
  out_->actions.push_back(WakeAt{due});
}

}  // namespace cotenant
