/// Which run starts, where, with whom.
///
/// Queues are asked in the dispatch policy's order. A run that may be inline joins this crank's
/// chain while the turn has room for it; every other takes slots. When the first in turn finds too
/// few slots, nothing behind it may take slots either, so that a run on several cores is not
/// starved by runs on one; short inline runs go beyond the slots.

#include <algorithm>

#include "base/check.h"
#include "scheduler/body.h"

namespace cotenant {

void Scheduler::Body::StartRuns() {
  chain_ = kNowhere;
  chain_takes_ = Duration();
  inline_blocked_ = false;
  others_blocked_ = false;
  for (;;) {
    const std::uint32_t queue = queues_.Next(!inline_blocked_, !others_blocked_);
    if (queue == kNowhere) return;
    if (StartFrom(queue)) continue;
    if (queues_.queue(queue).may_inline) {
      inline_blocked_ = true;
    } else {
      others_blocked_ = true;
    }
  }
}

bool Scheduler::Body::StartFrom(std::uint32_t queue) {
  ModelRecord& model = models_[ToIndex(queues_.queue(queue).model)];
  const bool may_inline = queues_.queue(queue).may_inline;
  const bool may_take = slots_.free() > 0 && !others_blocked_;
  if (!may_inline && !may_take) return false;
  if (model.KeepsOrder() && RunsOfAll(model) > 0) {
    // Replies in order need runs in order; the end of the run touches the queue.
    if (out_->with_reasons) NoteHold(queue, BatchReason::kAlone, Instant::Max());
    queues_.Hold(queue, Instant::Max());
    return true;
  }
  const BatchChoice choice = Choose(queue, model);
  if (choice.rows == 0) {
    COTENANT_CHECK(choice.until > now_);
    if (out_->with_reasons) NoteHold(queue, choice.reason, choice.until);
    queues_.Hold(queue, choice.until);
    return true;
  }
  const RequestQueues::Batch batch = queues_.Peek(queue, choice.rows);
  if (may_inline && MayInline(model, batch.rows) && RoomInline(model, batch.rows)) {
    Start(queue, batch, Where::kInline, choice);
    return true;
  }
  if (may_take && slots_.free() >= CoresOf(model)) {
    Start(queue, batch, Where::kWorker, choice);
    return true;
  }
  const RequestQueues::Batch first{1, requests_[queues_.First(queue)].rows};
  if (may_inline && batch.count > 1 && RoomInline(model, first.rows)) {
    Start(queue, first, Where::kInline, choice);
    return true;
  }
  return false;
}

BatchChoice Scheduler::Body::Choose(std::uint32_t queue, const ModelRecord& model) {
  const Request& first = requests_[queues_.First(queue)];
  QueueView view;
  view.first_rows = first.rows;
  view.rows_max = model.settings.rows_max;
  if (first.alone || !model.batching->joins()) {
    view.rows = first.rows;
    return BatchingNone().Choose(view, now_);
  }
  const RequestQueues::Batch batch = queues_.Peek(queue, model.settings.rows_max);
  queues_.Summarise(queue, static_cast<std::uint32_t>(model.settings.rows_max));
  view.rows = batch.rows;
  view.closed = batch.rows < queues_.Rows(queue);
  view.window = model.window();
  view.oldest = queues_.queue(queue).oldest;
  view.deadline = queues_.queue(queue).deadline;
  if (model.estimates.known()) {
    view.finish_p95 = model.estimates.P95(batch.rows) + ReplyOverhead();
  }
  return model.batching->Choose(view, now_);
}

bool Scheduler::Body::MayInline(const ModelRecord& model, std::int32_t rows) const {
  if (!model.may_inline) return false;
  return rows == 1 || model.estimates.P99(rows) <= settings_.inline_run_max;
}

bool Scheduler::Body::RoomInline(const ModelRecord& model, std::int32_t rows) const {
  if (chain_ == kNowhere) return (slots_.free() > 0 && !others_blocked_) || slots_.BeyondLeft();
  return chain_takes_ + model.estimates.P99(rows) <= settings_.inline_turn_max;
}

std::int32_t Scheduler::Body::CoresOf(const ModelRecord& model) const {
  return std::clamp(model.settings.cores, 1, slots_.total());
}

Duration Scheduler::Body::CostOf(const Request& request, const ModelRecord& model) const {
  // Before anything is known, some cost keeps a flood of requests from counting as nothing.
  const Duration per_row =
      model.estimates.known() ? model.estimates.MeanPerRow() : Duration::Milliseconds(1);
  return per_row * request.rows * CoresOf(model);
}

RequestView Scheduler::Body::ViewOf(const Request& request) const {
  const std::int32_t cores = CoresOf(models_[ToIndex(request.model)]);
  // The same without dividing: most runs take one core.
  const Duration takes = cores == 1 ? request.cost : request.cost / cores;
  return {request.taken, request.deadline, request.virtual_start, takes};
}

void Scheduler::Body::Start(std::uint32_t queue, RequestQueues::Batch batch, Where where,
                            const BatchChoice& choice) {
  if (out_->with_reasons) NoteStart(queue, batch, where, choice);
  const ModelId model_id = queues_.queue(queue).model;
  ModelRecord& model = models_[ToIndex(model_id)];
  const std::uint32_t index = runs_.Take();
  StartedRun& run = runs_[index];
  run = StartedRun{};
  run.id = RunId{next_run_++};
  run.model = model_id;
  run.rows = batch.rows;
  run.cores = CoresOf(model);
  run.member_count = batch.count;
  run.live = batch.count;
  COTENANT_CHECK(run_by_id_.Insert(run.id, index));
  ++model.running;
  if (Limited()) model.memory.ran = true;

  StartRun action;
  action.run = run.id;
  action.model = model_id;
  action.first_member = static_cast<std::uint32_t>(out_->members.size());
  action.member_count = batch.count;
  action.rows = batch.rows;
  action.where = where;
  action.cores = run.cores;
  std::uint32_t last = kNowhere;
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    const std::uint32_t member = queues_.First(queue);
    Dequeue(member);
    Request& request = requests_[member];
    request.state = Request::State::kRunning;
    request.run = index;
    request.next_member = kNowhere;
    accounts_.Began(request.virtual_start);
    (last == kNowhere ? run.first_member : requests_[last].next_member) = member;
    last = member;
    out_->members.push_back(request.id);
  }
  TakeSlot(index, action);
  if (out_->with_reasons) NoteStarted(action);
  out_->actions.push_back(action);
}

void Scheduler::Body::TakeSlot(std::uint32_t index, StartRun& action) {
  StartedRun& run = runs_[index];
  const RunEstimates& estimates = models_[ToIndex(run.model)].estimates;
  if (action.where == Where::kWorker) {
    const Duration takes = estimates.known() ? estimates.P95(run.rows) : Duration();
    action.slot = slots_.Take(index, run.cores, now_ + takes);
    return;
  }
  chain_takes_ += estimates.P99(run.rows);
  if (chain_ == kNowhere) chain_ = slots_.OpenChain(slots_.free() > 0 && !others_blocked_, now_);
  slots_.Join(chain_, now_ + chain_takes_);
  run.chain = chain_;
  action.slot = slots_.SlotOf(chain_);
}

void Scheduler::Body::Touch(std::uint32_t queue) {
  const ModelRecord& model = models_[ToIndex(queues_.queue(queue).model)];
  const bool may_run = InMemory(model);
  queues_.Touch(queue, may_run && MayInline(model, requests_[queues_.First(queue)].rows));
  // Until its model is in memory.
  if (!may_run) queues_.Hold(queue, Instant::Max());
}

}  // namespace cotenant
