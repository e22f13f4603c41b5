#pragma once

/// The inside of the scheduler: what each event changes, and which actions follow. Private to
/// scheduler/.
///
/// One crank: take the events in order; end what is out of time; start loads; start runs while
/// slots, policies and the turn allow; say when to wake. Indices of slabs name records; pointers
/// into slabs live within one call only.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/flat_map.h"
#include "base/slab.h"
#include "policy/policy_table.h"
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

  const EndCounts& ends() const { return ends_; }
  std::uint32_t Waiting(ModelId model) const;
  std::uint32_t Running() const { return static_cast<std::uint32_t>(runs_.size()); }

 private:
  friend class Snapshot;
  class Forecast;

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
  void On(const Evicted& event);
  void StartLoads();
  void UnloadIfDone(ModelId model);
  void UseBatching(ModelRecord& model);
  void Learn(ModelId model, std::int32_t rows, Duration ran_for);

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

  Slab<Request> requests_;
  FlatMap<RequestId, std::uint32_t> request_by_id_;
  Slab<StartedRun> runs_;
  FlatMap<RunId, std::uint32_t> run_by_id_;
  std::vector<ModelRecord> models_;
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

  // Of the crank in progress.
  Instant now_;
  ActionList* out_ = nullptr;
  std::uint32_t chain_ = kNowhere;
  Duration chain_takes_;
  bool inline_blocked_ = false;
  bool others_blocked_ = false;
  std::size_t start_noted_ = 0;  ///< Where the run that begins is noted.
};

}  // namespace cotenant
