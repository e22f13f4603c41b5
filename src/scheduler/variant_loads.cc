/// Which variant of a model is loaded, while memory is limited, and whose place it takes.
///
/// One that is there answers until the new one is, where there is room for both. Where there is
/// not, it leaves first only when nobody waits whom it could answer, or when it has stayed as long
/// as others may ask for.

#include <algorithm>

#include "scheduler/body.h"

namespace cotenant {

/// Requests wait for a variant of a model that has several: the policy says which of those that
/// may answer them is loaded.
Scheduler::Body::Room Scheduler::Body::MakeRoomAmong(ModelId& id) {
  if (room_for_ == id) {
    if (NeedOf(models_[ToIndex(id)]) <= Free()) return Room::kNow;
    if (OnTheirWayOut() == Bytes() && Free() >= Bytes()) room_for_ = kNoModelId;
  }
  if (OnlyPinnedAndShort()) {
    RefuseLoad(id, RejectReason::kNoRoom);
    return Room::kNever;
  }
  if (OnTheirWayOut() > Bytes() || Free() < Bytes()) return Room::kLater;
  const std::size_t place = FillView(&models_[ToIndex(id)], true);
  const ModelId there = InPlaceOf(models_[ToIndex(id)]);
  // One whose unload is wanted may stand in the way of the last who wait for another variant.
  const bool own_is_held = there != kNoModelId && (models_[ToIndex(there)].settings.pinned ||
                                                   HoldsByUse(models_[ToIndex(there)], true));
  residency_->Procure(view_, place, plan_);
  const ModelId chosen = VariantAt({place, plan_.chosen});
  if (chosen == kNoModelId) return NoVariantFits(id, place, own_is_held);
  if (chosen != id) MoveWaiting(id, chosen);
  id = chosen;
  if (const Room room = RoomOfTenant(id); room != Room::kNow) return room;
  aim_ = chosen;
  Bytes lacking = NeedOf(models_[ToIndex(id)]) - Free();
  if (lacking <= Bytes()) return Room::kNow;
  bool leaves = false;
  if (there != kNoModelId && !own_is_held) {
    const Bytes gives = models_[ToIndex(there)].memory.held;
    if (out_->with_reasons) NoteEvict(there, id, lacking, EvictReason::kReplaced);
    Leave(there);
    lacking -= gives;
    leaves = true;
  }
  if (lacking > Bytes() && !TakeAway(place, lacking, EvictReason::kForModel) && !leaves) {
    return NoVariantFits(id, place, own_is_held);
  }
  room_for_ = id;
  return Room::kLater;
}

Scheduler::Body::Room Scheduler::Body::NoVariantFits(ModelId id, std::size_t place,
                                                     bool own_is_held) {
  const ModelRecord& model = models_[ToIndex(id)];
  const ModelId there = own_is_held ? InPlaceOf(model) : kNoModelId;
  // A pinned one never goes: nothing is to be waited for.
  if (PossibleNow(model) && there != kNoModelId && !models_[ToIndex(there)].settings.pinned) {
    const ModelRecord& present = models_[ToIndex(there)];
    if (StaysUntil(present) > now_) tend_at_ = std::min(tend_at_, StaysUntil(present));
    LookAgain(place);
    return Room::kLater;
  }
  if (PossibleNow(model) && SomebodyHolds(place)) {
    LookAgain(place);
    return Room::kLater;
  }
  RefuseLoad(id, Possible(model) ? RejectReason::kNoRoom : RejectReason::kNeverFits);
  return Room::kNever;
}

void Scheduler::Body::Grow(const ResidencyChange& change, ModelId to) {
  const ModelRecord& model = models_[ToIndex(to)];
  aim_ = to;
  const Bytes need = NeedOf(model);
  if (need <= Free()) return BeginLoad(to);
  const ModelId there = InPlaceOf(model);
  if (there != kNoModelId) {
    const ModelRecord& present = models_[ToIndex(there)];
    const bool enough = need <= Free() + present.memory.held;
    if (enough && present.waiting == 0 && present.running == 0) {
      // Nobody waits: the old one may go before the new one is there.
      if (out_->with_reasons) NoteEvict(there, to, need - Free(), EvictReason::kReplaced);
      grow_to_ = to;
      return Leave(there);
    }
    if (enough) return;
  }
  TakeAway(change.model, need - Free(), EvictReason::kForModel);
}

/// The variant that could take the place of one in memory with nothing taken from other models: of
/// the model used last.
ModelId Scheduler::Body::BetterThatFits() {
  ModelId best = kNoModelId;
  Instant best_used;
  for (const ModelRecord& first : models_) {
    if (!first.Several() || first.unload_wanted) continue;
    for (const ModelId id : first.variants) {
      const ModelRecord& model = models_[ToIndex(id)];
      if (model.state != ModelRecord::State::kOut || model.memory.retry_at > now_) continue;
      const ModelId there = InPlaceOf(model);
      if (there == kNoModelId || IsReplaced(models_[ToIndex(there)])) continue;
      const ModelRecord& present = models_[ToIndex(there)];
      if (model.accuracy <= present.accuracy || !PossibleNow(model)) continue;
      const bool idle = present.waiting == 0 && present.running == 0;
      const Bytes gives = idle ? present.memory.held : Bytes();
      if (NeedOf(model) > Free() + gives) continue;
      if (StaysUntil(present) > now_) {
        tend_at_ = std::min(tend_at_, StaysUntil(present));
        continue;
      }
      const bool same = best != kNoModelId && models_[ToIndex(best)].family == model.family;
      const bool better = same ? model.accuracy > models_[ToIndex(best)].accuracy
                               : best == kNoModelId || first.memory.last_used > best_used;
      if (!better) continue;
      best = id;
      best_used = first.memory.last_used;
    }
  }
  return best;
}

}  // namespace cotenant
