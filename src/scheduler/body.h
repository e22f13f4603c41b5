#pragma once

/// The inside of the scheduler: what each event changes, and which actions follow. Private to
/// scheduler/.
///
/// One crank: take the events in order; end what is out of time; tend memory and start loads; start
/// runs while slots, policies and the turn allow; say when to wake. Indices of slabs name records;
/// pointers into slabs live within one call only.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/flat_map.h"
#include "base/slab.h"
#include "policy/load_turnover.h"
#include "policy/policy_table.h"
#include "policy/selection.h"
#include "scheduler/quantile_window.h"
#include "scheduler/request.h"
#include "scheduler/request_queues.h"
#include "scheduler/scheduler.h"
#include "scheduler/slots.h"
#include "scheduler/tenant_accounts.h"

namespace cotenant {

class Scheduler::Body {
 public:
  explicit Body(SchedulerSettings settings);

  void Crank(Instant now, std::span<const Event> events, ActionList& actions);
  Status CheckEvents(Instant now, std::span<const Event> events);  // event_check.cc

  const SchedulerSettings& settings() const { return settings_; }
  const ModelRecord* FindModel(ModelId model) const;
  const EndCounts& ends() const { return ends_; }
  std::uint32_t Waiting(ModelId model) const;
  std::uint32_t Running() const { return static_cast<std::uint32_t>(runs_.size()); }
  MemoryFacts Memory() const;

 private:
  friend class Snapshot;
  class Forecast;
  class Trial;

  static const QueuePolicy& PolicyOf(const DynamicBatching& window, std::uint32_t level);

  // arrivals.cc: requests come, are refused, go away before they ran.
  void On(const Arrived& event);
  void On(const Gone& event);
  void On(const SettingsChanged& event);
  void On(const DrainWanted& event);
  std::optional<Reject> Refusal(const Request& request, const ModelRecord* model);
  std::optional<Reject> NotFeasible(const Request& request, const ModelRecord& model);
  /// Rows of the run that the request would be part of, as things stand.
  std::int32_t RowsJoined(const Request& request, const ModelRecord& model) const;
  void SetLimits(Request& request, const Arrived& event, const ModelRecord& model);
  void Enqueue(std::uint32_t request, Duration cost);
  void Dequeue(std::uint32_t request);
  void ExpireWaiting();
  void UsePolicies(const PolicyChoice& choice);
  void RankAnew();

  // reasons.cc: what was decided, as data. Called only while the crank's owner asks for it.
  AdmissionDecision AdmissionOf(const Request& request);
  void NoteTaken(const Request& request);
  void NoteAdmission(const Request& request, Duration bound, const AdmissionChoice& choice);
  void NoteRefusal(const Request& request, const ModelRecord* model, RejectReason reason);
  void NoteHold(std::uint32_t queue, BatchReason why, Instant until);
  void NoteStart(std::uint32_t queue, RequestQueues::Batch batch, Where where,
                 const BatchChoice& choice);
  WhereReason WhyThere(const ModelRecord& model, std::uint32_t queue, RequestQueues::Batch batch,
                       Where where, const BatchChoice& choice) const;
  void NoteStarted(const StartRun& action);
  void NoteEnd(const Request& request, End end, RejectReason reason);
  void NoteRerun(const Request& request, const StartedRun& run);
  void NoteLoad(ModelId model);
  /// By what it is its turn, and whose turn is next.
  void NoteTurn(const ModelRecord& model, LoadDecision& why);
  /// The decision as noted, for the caller to add what was compared.
  EvictDecision& NoteEvict(ModelId model, std::optional<ModelId> asked, Bytes needed,
                           EvictReason why);
  /// What the plan went by when it took `place` of the view, and who is left.
  void NoteChoice(std::size_t place, std::size_t asked, EvictDecision& why);

  // endings.cc: runs end, requests end, replies are written.
  void On(const RunFinished& event);
  void On(const RunFailed& event);
  void On(const ReplyWritten& event);
  void On(const Woken&) { armed_ = Instant::Max(); }
  void Release(std::uint32_t run, Duration ran_for);
  void RerunAlone(std::uint32_t request);
  void EndWithRun(std::uint32_t request, End end, Instant at);
  void EndByReject(std::uint32_t request, const Reject& reject);
  void CountEnd(std::uint32_t request, End end);
  /// An accepted request of the model has ended.
  void LeaveModel(ModelId model);

  // loads.cc: models come and go.
  void On(const LoadWanted& event);
  void On(const LoadFinished& event);
  void On(const LoadFailed& event);
  void On(const WarmedUp& event);
  void On(const UnloadWanted& event);
  void On(const Unloaded& event);
  void StartLoads();
  void UnloadIfDone(ModelId model);
  /// The model is ready for the first time.
  void BeginServing(ModelRecord& model, const ModelSettings& settings);
  void UseBatching(ModelRecord& model);
  void Learn(ModelId model, std::int32_t rows, Duration ran_for, Instant at);

  // variants.cc: which variant of a model answers, and where its requests wait.
  const ModelRecord& FirstOf(const ModelRecord& model) const {
    return models_[ToIndex(model.family)];
  }
  ModelRecord& FirstOf(const ModelRecord& model) { return models_[ToIndex(model.family)]; }
  bool HasVariants(const ModelRecord& model) const { return FirstOf(model).Several(); }
  void JoinModel(ModelId id, const LoadWanted& event);
  void Forget(ModelId id);
  bool Answers(ModelId id) const;
  bool MayAnswer(const Request& request, ModelId id) const;
  std::optional<Reject> Select(Request& request, const Arrived& event, ModelRecord& first);
  std::optional<Reject> SetVariants(Request& request, const Arrived& event,
                                    const ModelRecord& first);
  /// The variant that would answer it soonest; none when all are gone.
  ModelId WaitsFor(const Request& request) const;
  /// Requests that wait for a variant, to where they wait now.
  void MoveWaiting(ModelId from);
  void MoveWaiting(ModelId from, ModelId to);
  void MoveAll(ModelId from, ModelId to);
  /// Another variant of its model that is in memory, or none.
  ModelId InPlaceOf(const ModelRecord& model) const;
  /// It leaves when another variant, which is being loaded, is there.
  bool IsReplaced(const ModelRecord& model) const;
  void TakePlace(ModelId id, bool first_load);
  void GatherAt(ModelId id);
  std::uint32_t RunsOfAll(const ModelRecord& model) const;
  ModelId BetterThatFits();

  // memory_account.cc: what is taken, what is free.
  /// May a run of it begin?
  static bool InMemory(const ModelRecord& model) {
    return model.state == ModelRecord::State::kReady;
  }
  bool Limited() const { return settings_.memory > Bytes(); }
  Bytes Free() const { return limit_ - taken_ - reserve_; }
  void On(const MemoryChanged& event);
  void Reckon();
  /// The greatest peaks that the slots' runs may have, of the models in memory and of `coming`.
  Bytes PeaksWith(const ModelRecord* coming, const ModelRecord* without = nullptr);
  /// What is kept for runs while no model is in memory: so much is always had.
  Bytes LeastReserve() const { return Bytes(settings_.run_peak_floor.count() * slots_.total()); }
  Bytes LoadPeakOf(const ModelRecord& model) const;
  /// What its load takes beside what is kept for runs, once `coming` is loaded as well.
  Bytes HeldWhileLoading(const ModelRecord& model, const ModelRecord* coming);
  /// What must be free before the model's load begins.
  Bytes NeedOf(const ModelRecord& model);
  /// Would it fit if nothing else were in memory?
  bool Possible(const ModelRecord& model) const { return FitsInto(settings_.memory, model); }
  /// And with what other programs have taken?
  bool PossibleNow(const ModelRecord& model) const { return FitsInto(limit_, model); }
  bool FitsInto(Bytes memory, const ModelRecord& model) const;
  void LearnPeak(ModelRecord& model, Bytes peak);
  /// What will be free once all have left that were told to.
  Bytes OnTheirWayOut() const;
  /// Models that do not make way took more than there is: nobody else will find room.
  bool OnlyPinnedAndShort() const;

  enum class Room : unsigned char { kNow, kLater, kNever };

  // tenant_memory.cc: what the models that one tenant alone uses may take.
  Bytes MemoryMaxOf(TenantId tenant) const;
  void NoteUser(ModelRecord& model, TenantId tenant);
  void BeginUse(ModelRecord& model);
  /// The tenant whose models it counts among, if that one has a limit.
  std::optional<TenantId> CappedUser(const ModelRecord& model) const;
  std::optional<TenantId> OnlyTenantWaiting(const ModelRecord& model) const;
  bool TooLargeFor(TenantId tenant, const ModelRecord& model) const;
  /// Of all but variants of `but`.
  Bytes TakenBy(TenantId tenant, const ModelRecord* but, bool on_their_way_out) const;
  Room RoomOfTenant(ModelId model);
  void KeepTenantsWithin();
  bool TakeFromTenant(TenantId tenant, const ModelRecord* but, Bytes lacking);

  // residency.cc: which model is in memory, while that is limited. : unsigned char { kNow, kLater,
  // kNever };
  void On(const Evicted& event);
  void On(const HistoryKnown& event);
  void NoteUse(ModelRecord& model, Instant at);
  void Await(const Request& request, ModelRecord& model);
  void NoLongerAwaited(ModelId id, ModelRecord& model);
  void Credit(const ModelRecord& model);
  /// Could a model that is let go of change what is loaded?
  bool MemoryIsWanted() const {
    return !loads_waiting_.empty() || Free() < Bytes() || tenants_capped_;
  }
  std::optional<Reject> NotLoadable(const Request& request, const ModelRecord& model);
  static Instant DueOf(Instant deadline, Instant arrived);
  Duration LoadWait(const ModelRecord& model, Instant due) const;
  void TendMemory();
  void UnloadIdle();
  bool LongIdle(const ModelRecord& model) const;
  void GiveUpLoads();
  void LoadGivenUp(ModelId id, ModelRecord& model);
  void BeginLoad(ModelId model);
  std::optional<ModelId> NextLoad();
  Room MakeRoom(ModelId model);
  /// Of a model with variants: which one is loaded is decided here.
  Room MakeRoomAmong(ModelId& model);
  Room NoVariantFits(ModelId model, std::size_t place, bool own_is_held);
  void LoadExpected(const ModelRecord& expected);
  void Improve();
  void Grow(const ResidencyChange& change, ModelId to);
  bool MayBeExpected(const ModelRecord& model) const;
  void GiveBack(Bytes bytes);
  void KeepLeaving();
  void Foresee();
  void EndLoading(ModelRecord& model, const LoadFinished& event, bool first_load);
  void KeepOut(ModelId id, ModelRecord& model, const LoadFailed& event);
  void Leave(ModelId model);
  void Evict(ModelId model);
  void RefuseLoad(ModelId model, RejectReason reason);
  void RefuseWaiting(ModelRecord& model, Code code, RejectReason reason, Duration retry_after);
  void TouchAll(const ModelRecord& model);
  void Stir() { stirred_ = true; }

  // residency_view.cc: what the residency policy sees, and what of its plan is done.
  /// A model with work is held until then, while others wait for memory.
  Instant StaysUntil(const ModelRecord& model) const;
  /// May it not be changed now? `others_wait`: requests of another model wait for memory.
  bool Holds(const ModelRecord& model, bool others_wait) const;
  bool HoldsByUse(const ModelRecord& model, bool others_wait) const;
  bool ExpectedNow(const ModelRecord& model) const;
  /// Where `asked` is in the view.
  std::size_t FillView(const ModelRecord* asked, bool others_wait);
  void FillModel(ModelId id, const ModelRecord* asked, bool others_wait);
  void FillCommon(const ModelRecord& first, ResidentModelView& view);
  void FillVariants(const ModelRecord& first, bool others_wait);
  void FillAsked(const ModelRecord& first, const ModelRecord& asked);
  void AddVariants(ModelId resident, ResidentModelView& view);
  bool HoldsVariants(const ModelRecord& first, bool others_wait) const;
  /// What the view calls variant `change.variant` of `change.model`.
  ModelId VariantAt(const ResidencyChange& change) const;
  /// The smaller variant that a change leaves in place of another model's; else none.
  ModelId LeftInPlace(const ResidencyChange& change, std::size_t asked) const;
  /// Lets go what the plan names, if that is enough; in a shortage what there is. False: nothing.
  bool TakeAway(std::size_t asked, Bytes needed, EvictReason why);
  bool Suffices();
  void PlanLeastRecentlyUsed(Bytes needed);
  /// Does somebody else have memory that may be had later?
  bool SomebodyHolds(std::size_t asked) const;
  /// When the first of those may be taken away.
  void LookAgain(std::size_t asked);
  /// What the asked model lacks. Where nothing is held it is at most what all others have: with
  /// them goes what is kept for their runs.
  Bytes Lacking(std::size_t asked);

  // dispatching.cc: which run starts, where, with whom.
  void StartRuns();
  bool StartFrom(std::uint32_t queue);
  BatchChoice Choose(std::uint32_t queue, const ModelRecord& model);
  bool RoomInline(const ModelRecord& model, std::int32_t rows) const;
  void Start(std::uint32_t queue, RequestQueues::Batch batch, Where where,
             const BatchChoice& choice);
  void TakeSlot(std::uint32_t run, StartRun& action);
  void Touch(std::uint32_t queue);
  bool MayInline(const ModelRecord& model, std::int32_t rows) const;
  Duration ReplyOverhead() const {
    return reply_overhead_.empty() ? Duration() : reply_overhead_.Percentile(50);
  }
  std::int32_t CoresOf(const ModelRecord& model) const;
  Duration CostOf(const Request& request, const ModelRecord& model) const;
  /// What the dispatch policy may know of a request whose cost is set.
  RequestView ViewOf(const Request& request) const;
  void SetWake();

  ModelRecord* FindModel(ModelId model);
  ModelRecord& model_of(const Request& request) { return models_[ToIndex(request.model)]; }

  SchedulerSettings settings_;
  const DispatchPolicy* dispatch_ = nullptr;
  const BatchingPolicy* batching_ = nullptr;  ///< Null: as each model's configuration says.
  const AdmissionPolicy* admission_ = nullptr;
  const ResidencyPolicy* residency_ = nullptr;
  const PredictionPolicy* prediction_ = nullptr;

  Slab<Request> requests_;
  FlatMap<RequestId, std::uint32_t> request_by_id_;
  Slab<StartedRun> runs_;
  FlatMap<RunId, std::uint32_t> run_by_id_;
  std::vector<ModelRecord> models_;
  /// Loads wanted by control, and by requests that wait for a model that is out.
  std::vector<ModelId> loads_waiting_;
  std::int32_t loading_ = 0;
  RequestQueues queues_;
  Slots slots_;
  TenantAccounts accounts_;
  QuantileWindow reply_overhead_;  ///< From the end of a run to its replies written.
  EndCounts ends_;

  std::uint64_t sequence_ = 0;
  std::uint64_t next_run_ = 0;
  bool draining_ = false;
  bool drained_ = false;
  Instant armed_ = Instant::Max();  ///< The driver's timer rings at this time.

  // While memory is limited. The second and third follow from the models.
  Bytes limit_;                       ///< Of `settings_.memory`, what other programs leave.
  Bytes taken_;                       ///< By models.
  Bytes reserve_;                     ///< For their runs.
  bool tenants_capped_ = false;       ///< Some tenant may have so much only.
  bool stirred_ = false;              ///< Something changed that decides who is in memory.
  Instant tend_at_ = Instant::Max();  ///< To be looked at again.
  ModelId room_for_ = kNoModelId;     ///< Others were told to leave for it: it is loaded next.
  ModelId grow_to_ = kNoModelId;      ///< A smaller variant was told to leave for it.
  std::int64_t credit_floor_ = 0;     ///< See policy/greedy_dual_credit.h.
  ForecastScore score_;
  LoadTurnover turnover_;

  // Of the crank in progress.
  Instant now_;
  ActionList* out_ = nullptr;
  std::uint32_t chain_ = kNowhere;
  Duration chain_takes_;
  bool inline_blocked_ = false;
  bool others_blocked_ = false;
  std::size_t start_noted_ = 0;  ///< Where the run that begins is noted.

  // Working space of residency.
  ResidencyView view_;
  ResidencyPlan plan_;
  const ResidencyPolicy* planned_by_ = nullptr;
  std::vector<ResidentModelView> view_models_;
  std::vector<ResidentVariantView> view_variants_;
  std::vector<ModelId> view_ids_;  ///< What each has in memory, or its first.
  std::vector<ModelId> view_variant_ids_;
  std::vector<std::size_t> view_first_;  ///< Where each one's variants begin.
  ModelId aim_ = kNoModelId;             ///< For which room is made; none: there is a shortage.
  std::vector<Bytes> peaks_;
  struct Candidate {
    ModelId id{};
    Bytes size;
    std::int32_t accuracy = 0;
  };
  std::vector<Candidate> candidates_;
  // Working space of variants.
  std::vector<SelectableVariant> selectable_;
  std::vector<ModelId> selectable_ids_;
  std::vector<std::uint32_t> moving_;
};

}  // namespace cotenant
