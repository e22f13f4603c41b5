#pragma once

/// Watches events and actions and says what the brain did wrong, whatever the policies.
///
/// Keeps an account of its own of requests, runs, slots and models; knows nothing of the brain's
/// inside. What holds always: every accepted request has exactly one end, after its run if it has
/// one, and none is replied to after its client went away; a batch joins only what may be joined;
/// slots are given once; every unload that is wanted begins; no slot idles while work waits, unless
/// the batching policy may hold it and a wake-up is set; nothing is loaded, evicted or unloaded
/// twice or too early, and no run begins on a model that is not in memory; no load begins without
/// room for it, no model with waiting requests stays out of memory for long, and of its variants
/// one is there, which answers only those whose bounds it meets; the brain's account of memory is
/// that of the models, is never negative, and is beyond its limit only after models, runs or other
/// programs took more than was expected. What holds by declaration: the order that the dispatch
/// policy says it keeps, and that it starves nobody. A crank costs a few operations per event and
/// action, so that it runs along always; memory grows with what is under way, not with what was.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/flat_map.h"
#include "base/slab.h"
#include "policy/properties.h"
#include "scheduler/scheduler.h"

namespace cotenant {

class Checker {
 public:
  explicit Checker(const SchedulerSettings& settings);

  void Crank(Instant now, std::span<const Event> events, const ActionList& actions);
  /// The brain's account after the crank. Looked at only while memory is limited.
  void Ledger(const MemoryFacts& facts);
  /// After the last crank: has everything ended, and do the brain's own counts agree?
  void Finish(const EndCounts& counts);

  /// Empty when all was well.
  const std::vector<std::string>& violations() const { return violations_; }
  /// Over all actions in order: equal for equal decisions.
  std::uint64_t digest() const { return digest_; }
  std::uint64_t cranks() const { return crank_; }
  std::uint64_t starts() const { return starts_; }
  std::uint64_t batched() const { return batched_; }  ///< Runs with several members.
  std::uint64_t inline_starts() const { return inline_starts_; }

 private:
  struct Request {
    RequestId id{};
    ModelId model{};
    TenantId tenant{};
    std::int32_t rows = 1;
    std::uint32_t starts = 0;
    std::uint64_t batch_key = 0;
    std::uint64_t sequence = 0;
    Instant deadline = Instant::Max();
    bool running = false;
    bool ended = false;
    bool gone = false;
    bool cold = false;      ///< Its model was not in memory when it arrived.
    bool ordered = false;   ///< Its model's order holds for it.
    bool may_wait = false;  ///< It may wait beside a free slot, for its model's sake.
    Instant taken;
    // Of those that a policy which declares it may not starve: a list, by arrival.
    bool listed = false;
    std::uint32_t older = kNowhere;
    std::uint32_t newer = kNowhere;
    Duration served_before;
    Duration own_before;  ///< Of that, its tenant's.
    /// Which variants may answer: into `Model::wants`. None: its model has one only.
    std::uint32_t wants = kNowhere;
  };
  struct Run {
    StartRun start;
    std::vector<RequestId> members;
    std::uint32_t chain = kNowhere;
    bool stopped = false;
  };
  /// The inline runs of one crank.
  struct Chain {
    std::int32_t slot = -1;
    std::int32_t runs = 0;
  };
  /// A waiting request by the order that the policy keeps, smallest first.
  struct Place {
    std::int64_t rank = 0;
    std::uint64_t sequence = 0;
    RequestId request{};
    bool operator<(const Place& other) const {  // For a heap whose top is the first.
      return rank != other.rank ? rank > other.rank : sequence > other.sequence;
    }
  };
  /// Requests of a model with variants that the same ones may answer.
  struct Wants {
    std::int32_t accuracy = 0;   ///< At least.
    ModelId named = kNoModelId;  ///< That one alone; none: any.
    std::int64_t waiting = 0;
    Instant out_since = Instant::Max();
  };
  struct Model {
    enum class State : unsigned char {
      kAbsent,
      kWanted,
      kLoading,
      kReady,
      kUnloading,
      kEvicting,
      kOut
    };
    State state = State::kAbsent;
    bool served = false;
    bool leaving = false;
    std::int64_t waiting = 0;
    std::int32_t running = 0;
    Bytes size;  ///< As expected, then as measured.
    Bytes held;
    Bytes peak;
    Bytes load_peak;
    bool load_peak_guessed = false;
    Duration load_takes_max;
    Instant load_began;
    bool load_stopped = false;
    /// The tenants that have asked for it since its load began: one, or several.
    std::optional<TenantId> user;
    bool shared = false;
    Instant out_since = Instant::Max();  ///< With waiting requests.
    ModelSettings settings;
    ModelId family = kNoModelId;
    std::int32_t accuracy = 0;
    std::vector<ModelId> variants;  ///< Of the first of them.
    std::vector<Wants> wants;       ///< Of the first of several.
    std::uint64_t live = 0;         ///< Requests without an end.
    std::vector<Place> order;
    std::vector<std::uint64_t> last_by_tenant;
  };

  void Take(const Event& event);
  void Arrive(const Arrived& event);
  void PlaceInOrder(const Request& request, Model& model);
  void GoAway(RequestId request);
  void EndRun(RunId run, Duration ran_for, Bytes peak);
  void TakeControl(const Event& event);
  void Check(const Action& action, const ActionList& actions);
  void CheckLoad(ModelId model);
  void CheckUnload(ModelId model);
  void CheckUnloadsLeaveNobody();
  void CheckEvict(ModelId model);
  void CheckRefusal(const Reject& reject);
  void CheckWaits();
  void EndLoad(Model& model, const LoadFinished& event);
  void SetState(Model& model, Model::State state);
  // checker_variants.cc
  void Join(ModelId id, const LoadWanted& event);
  /// Null: it has no other variants, and nobody ever asked for one.
  Model* FirstOf(const Model& model);
  void LeaveFamily(Model& model);
  bool MayAnswer(const Wants& wants, const Model& first, ModelId id) const;
  bool IsReady(const Wants& wants, const Model& first) const;
  bool AnyPinned() const;
  std::int64_t OutOf(const Model& first) const;
  void NoteOutOf(Model& first);
  std::uint32_t WantsOf(const Arrived& event, Model& first);
  bool MayRunOn(const Request& request, ModelId model);
  bool IsOut(const Request& request);
  bool AllPossible(const Request& request);
  bool NobodyMayAnswer(const Request& request);
  void CheckVariants();
  bool Limited() const { return settings_.memory > Bytes(); }
  /// What models take and their runs may take.
  Bytes Taken();
  /// Of these one is still loading, and has what its load takes instead of its size and runs.
  Bytes TakenWhileLoading(const Model* loading);
  bool Possible(const Model& model) const { return FitsInto(settings_.memory, model); }
  Bytes LoadPeakOf(const Model& model) const;
  bool FitsInto(Bytes memory, const Model& model) const;
  void CheckStopLoad(ModelId model);
  /// At the end nothing is left to be done about what models take.
  void FinishMemory();
  static void NoteUser(Model& model, TenantId tenant);
  Bytes MemoryMaxOf(TenantId tenant) const;
  /// Of models that this tenant alone has asked for.
  Bytes TakenBy(TenantId tenant) const;
  bool TenantsOver() const;
  void CheckTenant(ModelId id);
  /// May a model that is there be told to leave?
  bool MemoryIsWanted() { return waiting_out_ > 0 || wanted_ > 0 || Taken() > limit_; }
  void CheckRun(const StartRun& start, const ActionList& actions);
  /// The member, or null.
  Request* CheckMember(const StartRun& start, RequestId member, std::uint64_t key);
  void CheckOrder(Request& request, Model& model);
  bool Waits(const Place& place);
  void CheckSlots(const StartRun& start, Run& run);
  // checker_starvation.cc
  void List(std::uint32_t index, const Model& model);
  void Unlist(Request& request);
  void CountServed(const Run& run, Duration ran_for);
  void CheckStarved(const Run& run);
  bool Starves(const Request& oldest, const Request& began) const;
  /// `request` is the record of `id`, or null.
  void CheckEnd(RequestId id, Request* request, End end, bool by_reject);
  void CheckIdle();
  void UsePolicies();
  bool OneOrder(const Model& model) const;
  void CountWaiting(const Request& request, Model& model, std::int64_t change);
  void NoteOut(Model& model);
  /// An id, as violations say it.
  static std::string Name(auto id) { return std::to_string(ToIndex(id)); }
  /// `what` is built only when it is needed.
  template <typename What>
  void Expect(bool holds, What what) {
    if (!holds) Violated(what());
  }
  void Violated(const std::string& what);
  void Digest(std::uint64_t value) { digest_ = MixBits(digest_ ^ value) + 1; }
  Request* Find(RequestId id) {
    const std::uint32_t* const index = request_by_id_.Find(id);
    return index == nullptr ? nullptr : &requests_[*index];
  }
  Model& ModelOf(ModelId id) {
    if (ToIndex(id) >= models_.size()) models_.resize(ToIndex(id) + 1);
    return models_[ToIndex(id)];
  }
  std::int32_t FreeSlots() const { return settings_.slots - taken_; }

  SchedulerSettings settings_;
  OrderKept order_ = OrderKept::kAny;
  bool starvation_free_ = false;
  bool batching_holds_ = false;
  Instant now_;
  std::uint64_t sequence_ = 0;
  std::uint64_t crank_ = 0;
  std::uint64_t settings_changed_ = 0;  ///< In this crank, last.
  Slab<Request> requests_;              ///< Until their replies are written.
  FlatMap<RequestId, std::uint32_t> request_by_id_;
  Slab<Run> runs_;
  FlatMap<RunId, std::uint32_t> run_by_id_;
  std::vector<Model> models_;
  Slab<Chain> chains_;
  std::uint32_t crank_chain_ = kNowhere;  ///< Of the crank in progress.
  std::vector<bool> slot_taken_;
  std::int32_t taken_ = 0;
  std::int32_t beyond_ = 0;
  std::int32_t loading_ = 0;
  std::int64_t waiting_ = 0;
  std::int64_t may_wait_ = 0;
  std::int64_t waiting_out_ = 0;  ///< For models that are not ready.
  std::int32_t evicting_ = 0;
  std::int32_t unloading_ = 0;
  std::int32_t wanted_ = 0;       ///< Models whose first load has not begun.
  std::vector<ModelId> several_;  ///< The first of models that had several variants.
  std::int32_t changing_ = 0;     ///< Models with two variants in memory.
  std::vector<Bytes> peaks_;
  bool account_moved_ = false;  ///< Since the ledger was last looked at.
  bool grew_ = false;           ///< Models or runs took more than before, or other programs did.
  MemoryFacts ledger_;          ///< As last seen.
  std::uint32_t oldest_ = kNowhere;  ///< Of the list of requests that may not starve.
  std::uint32_t newest_ = kNowhere;
  Duration longest_run_;
  Duration served_;  ///< Device time of runs that ended, while tenants share by weights.
  std::vector<Duration> served_by_tenant_;
  std::uint64_t ends_[5] = {};
  std::uint64_t accepted_ = 0;
  std::vector<ModelId> unloads_;  ///< Begun in this crank.
  Bytes limit_;                   ///< Of the settings' memory, what other programs leave.
  std::optional<Instant> wake_;
  bool draining_ = false;
  bool drained_ = false;
  std::uint64_t digest_ = 0;
  std::uint64_t starts_ = 0;
  std::uint64_t batched_ = 0;
  std::uint64_t inline_starts_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace cotenant
