#pragma once

/// The requests that wait: in queues by what may share a run, the queues in turn by the dispatch
/// policy's ranks.
///
/// A queue that could run is *ready*, among those that may run inline or among the rest; one whose
/// batching policy waits for more rows is *held*, until a time or until it is touched. Beside them
/// lie the sum of the work that goes first for any rank, and the requests' deadlines. Every call
/// costs O(log n) of what waits.

#include <cstdint>
#include <utility>

#include "base/flat_map.h"
#include "base/indexed_heap.h"
#include "base/rank_forest.h"
#include "base/slab.h"
#include "scheduler/request.h"

namespace cotenant {

struct QueueKey {
  ModelId model{};
  std::uint64_t key = 0;
  bool operator==(const QueueKey&) const = default;
};
inline std::uint64_t HashOf(const QueueKey& key) { return MixBits(HashOf(key.model) ^ key.key); }

class RequestQueues {
 public:
  /// The first requests of a queue that may share a run.
  struct Batch {
    std::uint32_t count = 0;
    std::int32_t rows = 0;
  };
  /// Some time, with a number that breaks ties.
  using Due = std::pair<Instant, std::uint64_t>;

  explicit RequestQueues(Slab<Request>& requests) : requests_(requests) {}

  /// Puts the request into its queue, made if need be; `Touch` the queue next. `rank` is the
  /// dispatch policy's.
  void Add(std::uint32_t request, std::int64_t rank, ModelRecord& model, std::uint64_t sequence);
  /// Takes it out. Gives back the queue, to be touched next, or `kNowhere` when that got empty and
  /// is gone.
  std::uint32_t Remove(std::uint32_t request, ModelRecord& model);
  /// Makes the queue ready and ranks it by its first request. `may_inline`: may that one run
  /// inline?
  void Touch(std::uint32_t queue, bool may_inline);
  /// Takes the queue out of turn until a time, at the latest.
  void Hold(std::uint32_t queue, Instant until);

  /// The ready queue that is next in turn, or `kNowhere`.
  std::uint32_t Next(bool inline_too, bool others_too) const;
  /// A held queue whose time has come, or `kNowhere`.
  std::uint32_t DueHeld(Instant now) const;
  /// A waiting request whose deadline or queue timeout has come, or `kNowhere`.
  std::uint32_t DueRequest(Instant now) const;
  /// When the next of both comes.
  Instant NextDue() const;
  /// Sets the request's timer anew from its deadlines.
  void SetTimer(std::uint32_t request);

  bool IsReady(std::uint32_t queue) const {
    return ready_.Contains(queue) || ready_inline_.Contains(queue);
  }
  const Queue& queue(std::uint32_t queue) const { return queues_[queue]; }
  /// The dispatch policy's rank of a waiting request.
  std::int64_t RankOf(std::uint32_t request) const { return by_rank_.RankOf(request).primary; }
  std::uint32_t First(std::uint32_t queue) const { return by_queue_.First(queues_[queue].root); }
  std::int64_t Rows(std::uint32_t queue) const { return by_queue_.Sum(queues_[queue].root); }
  /// `visit(request)` for each of the queue, in its order.
  template <typename Visit>
  void ForEach(std::uint32_t queue, const Visit& visit) const {
    by_queue_.ForEach(queues_[queue].root, [&visit](std::uint32_t request) {
      visit(request);
      return true;
    });
  }
  /// Rows that wait where the request, which need not wait, has its place.
  std::int64_t RowsBeside(const Request& request, const ModelRecord& model) const;
  /// What one run of at most `rows` rows would take; at least the first request.
  Batch Peek(std::uint32_t queue, std::int32_t rows) const;
  /// Makes the queue's `oldest` and `deadline` exact; looks at no more than `limit` requests.
  void Summarise(std::uint32_t queue, std::uint32_t limit);

  /// Device time of the waiting requests that rank before.
  Duration WorkBefore(const Rank& rank) const {
    return Duration::Nanoseconds(by_rank_.SumBefore(all_, rank));
  }
  Duration Work() const { return Duration::Nanoseconds(by_rank_.Sum(all_)); }
  /// Of those whose queue may run inline.
  Duration InlineWork() const { return inline_work_; }
  std::uint32_t waiting() const { return waiting_; }

 private:
  friend class Snapshot;
  static QueueKey KeyOf(const Request& request, const ModelRecord& model) {
    return {request.model, model.one_queue ? 0 : request.batch_key};
  }
  std::uint32_t QueueOf(const Request& request, ModelRecord& model, std::uint64_t sequence);
  void Drop(std::uint32_t queue, ModelRecord& model);

  Slab<Request>& requests_;
  Slab<Queue> queues_;
  FlatMap<QueueKey, std::uint32_t> by_key_;
  RankForest by_queue_;  ///< Weight: rows. One set for each queue.
  RankForest by_rank_;   ///< Weight: nanoseconds of device time. One set.
  RankForest::Root all_ = RankForest::kEmpty;
  IndexedHeap<Rank> ready_;
  IndexedHeap<Rank> ready_inline_;
  IndexedHeap<Due> held_;
  IndexedHeap<Due> timers_;
  Duration inline_work_;
  std::uint32_t waiting_ = 0;
};

}  // namespace cotenant
