#include "scheduler/request_queues.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {

std::uint32_t RequestQueues::QueueOf(const Request& request, ModelRecord& model,
                                     std::uint64_t sequence) {
  // Without looking for it where there is one at most.
  if (model.one_queue && model.first_queue != kNowhere) return model.first_queue;
  const QueueKey key = KeyOf(request, model);
  if (const std::uint32_t* found = by_key_.Find(key); found != nullptr) return *found;
  const std::uint32_t index = queues_.Take();
  Queue& queue = queues_[index];
  queue = Queue{};
  queue.model = key.model;
  queue.key = key.key;
  queue.sequence = sequence;
  queue.next = model.first_queue;
  if (queue.next != kNowhere) queues_[queue.next].previous = index;
  model.first_queue = index;
  COTENANT_CHECK(by_key_.Insert(key, index));
  return index;
}

std::int64_t RequestQueues::RowsBeside(const Request& request, const ModelRecord& model) const {
  const std::uint32_t* const found = by_key_.Find(KeyOf(request, model));
  return found == nullptr ? 0 : Rows(*found);
}

void RequestQueues::Drop(std::uint32_t index, ModelRecord& model) {
  Queue& queue = queues_[index];
  COTENANT_CHECK(queue.cost == Duration());
  if (queue.next != kNowhere) queues_[queue.next].previous = queue.previous;
  if (queue.previous != kNowhere) {
    queues_[queue.previous].next = queue.next;
  } else {
    model.first_queue = queue.next;
  }
  ready_.Remove(index);
  ready_inline_.Remove(index);
  held_.Remove(index);
  COTENANT_CHECK(by_key_.Erase({queue.model, queue.key}));
  queues_.Give(index);
}

void RequestQueues::Add(std::uint32_t index, std::int64_t rank, ModelRecord& model,
                        std::uint64_t sequence) {
  Request& request = requests_[index];
  request.queue = QueueOf(request, model, sequence);
  Queue& queue = queues_[request.queue];
  // Within a queue: reruns, then priority levels, each with its delayed ones last, then the
  // policy's order.
  const std::int64_t tier = request.alone ? -1 : 2 * std::int64_t{request.level} + request.delayed;
  const std::int64_t primary = model.KeepsOrder() ? 0 : rank;
  by_queue_.Insert(queue.root, index, {tier, primary, request.sequence}, request.rows);
  by_rank_.Insert(all_, index, {0, rank, request.sequence}, request.cost.nanoseconds());
  queue.cost += request.cost;
  if (queue.may_inline) inline_work_ += request.cost;
  queue.oldest = std::min(queue.oldest, request.at);
  queue.deadline = std::min(queue.deadline, request.deadline);
  ++waiting_;
  SetTimer(index);
}

std::uint32_t RequestQueues::Remove(std::uint32_t index, ModelRecord& model) {
  Request& request = requests_[index];
  Queue& queue = queues_[request.queue];
  by_queue_.Erase(queue.root, index);
  by_rank_.Erase(all_, index);
  timers_.Remove(index);
  queue.cost -= request.cost;
  if (queue.may_inline) inline_work_ -= request.cost;
  COTENANT_CHECK(waiting_ > 0);
  --waiting_;
  const std::uint32_t left = std::exchange(request.queue, kNowhere);
  if (queue.root == RankForest::kEmpty) {
    Drop(left, model);
    return kNowhere;
  }
  if (request.at == queue.oldest || request.deadline == queue.deadline) queue.exact = false;
  return left;
}

void RequestQueues::Touch(std::uint32_t index, bool may_inline) {
  Queue& queue = queues_[index];
  held_.Remove(index);
  if (queue.may_inline != may_inline) {
    queue.may_inline = may_inline;
    inline_work_ = may_inline ? inline_work_ + queue.cost : inline_work_ - queue.cost;
  }
  const Rank& rank = by_rank_.RankOf(by_queue_.First(queue.root));
  (may_inline ? ready_ : ready_inline_).Remove(index);
  (may_inline ? ready_inline_ : ready_).Set(index, rank);
}

void RequestQueues::Hold(std::uint32_t index, Instant until) {
  ready_.Remove(index);
  ready_inline_.Remove(index);
  held_.Set(index, {until, queues_[index].sequence});
}

std::uint32_t RequestQueues::Next(bool inline_too, bool others_too) const {
  const bool from_inline = inline_too && !ready_inline_.empty();
  const bool from_others = others_too && !ready_.empty();
  if (from_inline && from_others) {
    return ready_inline_.top_key() < ready_.top_key() ? ready_inline_.top() : ready_.top();
  }
  if (from_inline) return ready_inline_.top();
  return from_others ? ready_.top() : kNowhere;
}

std::uint32_t RequestQueues::DueHeld(Instant now) const {
  return !held_.empty() && held_.top_key().first <= now ? held_.top() : kNowhere;
}

std::uint32_t RequestQueues::DueRequest(Instant now) const {
  return !timers_.empty() && timers_.top_key().first <= now ? timers_.top() : kNowhere;
}

Instant RequestQueues::NextDue() const {
  const Instant held = held_.empty() ? Instant::Max() : held_.top_key().first;
  return timers_.empty() ? held : std::min(held, timers_.top_key().first);
}

void RequestQueues::SetTimer(std::uint32_t index) {
  const Request& request = requests_[index];
  // A rerun has begun once: its waiting is over, and it is answered however late.
  const Instant due =
      request.alone ? Instant::Max() : std::min(request.latest_start, request.queue_deadline);
  if (due == Instant::Max()) {
    timers_.Remove(index);
  } else {
    timers_.Set(index, {due, request.sequence});
  }
}

RequestQueues::Batch RequestQueues::Peek(std::uint32_t index, std::int32_t rows) const {
  const Request& first = requests_[First(index)];
  if (first.rows >= rows) return {1, first.rows};
  Batch batch;
  by_queue_.ForEach(queues_[index].root, [&](std::uint32_t item) {
    const Request& request = requests_[item];
    if (batch.count > 0 &&
        (first.alone || request.batch_key != first.batch_key || batch.rows + request.rows > rows)) {
      return false;
    }
    ++batch.count;
    batch.rows += request.rows;
    return batch.rows < rows;
  });
  return batch;
}

void RequestQueues::Summarise(std::uint32_t index, std::uint32_t limit) {
  Queue& queue = queues_[index];
  if (queue.exact) return;
  queue.oldest = Instant::Max();
  queue.deadline = Instant::Max();
  std::uint32_t seen = 0;
  queue.exact = by_queue_.ForEach(queue.root, [&](std::uint32_t item) {
    queue.oldest = std::min(queue.oldest, requests_[item].at);
    queue.deadline = std::min(queue.deadline, requests_[item].deadline);
    return ++seen < limit;
  });
}

}  // namespace cotenant
