/// What was decided, as data. Nothing here changes what is decided.

#include <algorithm>

#include "scheduler/body.h"

namespace cotenant {

AdmissionDecision Scheduler::Body::AdmissionOf(const Request& request) {
  AdmissionDecision why;
  why.request = request.id;
  why.tenant = request.tenant;
  why.model = request.model;
  why.rows = request.rows;
  why.policy = admission_->name();
  if (request.deadline < Instant::Max()) why.bound = request.deadline - request.at;
  why.running = Running();
  why.waiting = queues_.waiting();
  const ModelRecord* const model = FindModel(request.model);
  why.cold = model != nullptr && model->served && !InMemory(*model);
  if (model != nullptr && HasVariants(*model)) {
    why.accuracy = model->accuracy;
    why.accuracy_min = request.accuracy;
    why.named = request.named;
  }
  return why;
}

void Scheduler::Body::NoteTaken(const Request& request) {
  Request asking = request;
  asking.virtual_start = accounts_.VirtualStart(request.tenant);
  asking.cost = CostOf(request, model_of(request));
  AdmissionDecision why = AdmissionOf(request);
  why.work_before = queues_.WorkBefore({0, dispatch_->RankOf(ViewOf(asking)), request.sequence});
  out_->decisions.push_back(why);
}

void Scheduler::Body::NoteAdmission(const Request& asking, Duration bound,
                                    const AdmissionChoice& choice) {
  AdmissionDecision why = AdmissionOf(asking);
  why.bound = bound;
  why.work_before = queues_.WorkBefore({0, dispatch_->RankOf(ViewOf(asking)), asking.sequence});
  if (!choice.admit) {
    const bool no_room = why.cold && choice.reason == AdmissionReason::kTooLate;
    why.refused = no_room ? RejectReason::kNoRoom : RejectReason::kNotFeasible;
  }
  why.reason = choice.reason;
  why.estimate = choice.estimate;
  why.earliest_bound = choice.earliest_bound;
  out_->decisions.push_back(why);
}

void Scheduler::Body::NoteRefusal(const Request& request, const ModelRecord* model,
                                  RejectReason reason) {
  AdmissionDecision why = AdmissionOf(request);
  why.refused = reason;
  if (reason == RejectReason::kQueueFull) {
    const DynamicBatching* window = model->window();
    const std::uint32_t level_max =
        window == nullptr ? 0 : PolicyOf(*window, request.level).waiting_max;
    if (level_max > 0 && model->waiting_by_level[request.level] >= level_max) {
      why.full = FullQueue::kModel;
      why.waiting = model->waiting_by_level[request.level];
      why.waiting_max = level_max;
    } else if (accounts_.Full(request.tenant)) {
      why.full = FullQueue::kTenant;
      why.waiting = accounts_.Waiting(request.tenant);
      why.waiting_max = accounts_.WaitingMax(request.tenant);
    } else {
      why.full = FullQueue::kNode;
      why.waiting_max = settings_.waiting_max;
    }
  }
  out_->decisions.push_back(why);
}

void Scheduler::Body::NoteHold(std::uint32_t queue, BatchReason reason, Instant until) {
  const ModelRecord& model = models_[ToIndex(queues_.queue(queue).model)];
  HoldDecision why;
  why.model = queues_.queue(queue).model;
  why.first = requests_[queues_.First(queue)].id;
  why.batching = model.batching->name();
  why.reason = reason;
  why.keeps_order = until == Instant::Max();
  if (until < Instant::Max()) why.wait = until - now_;
  why.rows = queues_.Peek(queue, model.settings.rows_max).rows;
  why.rows_max = model.settings.rows_max;
  why.waited = now_ - queues_.queue(queue).oldest;
  const Instant deadline = queues_.queue(queue).deadline;
  if (deadline < Instant::Max()) why.due = deadline - now_;
  if (model.estimates.known()) {
    why.finish_p95 = model.estimates.P95(why.rows) + ReplyOverhead();
  }
  out_->decisions.push_back(why);
}

WhereReason Scheduler::Body::WhyThere(const ModelRecord& model, std::uint32_t queue,
                                      RequestQueues::Batch batch, Where where,
                                      const BatchChoice& choice) const {
  if (where == Where::kInline) {
    const bool all = queues_.Peek(queue, choice.rows).count == batch.count;
    return all ? WhereReason::kShort : WhereReason::kFirstAlone;
  }
  if (CoresOf(model) > 1) return WhereReason::kSeveralCores;
  if (!model.estimates.known()) return WhereReason::kUnknown;
  return MayInline(model, batch.rows) ? WhereReason::kTurnFull : WhereReason::kTooLong;
}

void Scheduler::Body::NoteStart(std::uint32_t queue, RequestQueues::Batch batch, Where where,
                                const BatchChoice& choice) {
  const ModelRecord& model = models_[ToIndex(queues_.queue(queue).model)];
  const std::uint32_t first = queues_.First(queue);
  start_noted_ = out_->decisions.size();
  StartDecision why;
  why.run = RunId{next_run_};
  why.model = queues_.queue(queue).model;
  why.first = requests_[first].id;
  why.members = batch.count;
  why.rows = batch.rows;
  why.rows_waiting = queues_.Rows(queue);
  why.rows_max = model.settings.rows_max;
  why.waited = now_ - requests_[first].at;
  why.dispatch = dispatch_->name();
  why.rank = queues_.RankOf(first);
  why.batching = requests_[first].alone ? BatchingNone().name() : model.batching->name();
  why.batch_reason = choice.reason;
  why.where = where;
  why.where_reason = WhyThere(model, queue, batch, where, choice);
  if (model.estimates.known()) why.takes_p99 = model.estimates.P99(batch.rows);
  out_->decisions.push_back(why);
}

void Scheduler::Body::NoteStarted(const StartRun& action) {
  auto& why = std::get<StartDecision>(out_->decisions[start_noted_]);
  why.slot = action.slot;
  why.cores = action.cores;
  why.slots_free = slots_.free();
  if (const std::uint32_t queue = queues_.Next(true, true); queue != kNowhere) {
    const std::uint32_t next = queues_.First(queue);
    why.next = requests_[next].id;
    why.next_rank = queues_.RankOf(next);
  }
  for (RequestId member : out_->MembersOf(action).subspan(1)) {
    const Request& request = requests_[*request_by_id_.Find(member)];
    out_->decisions.push_back(JoinDecision{member, action.run, now_ - request.at});
  }
}

void Scheduler::Body::NoteEnd(const Request& request, End end, RejectReason reason) {
  EndDecision why;
  why.request = request.id;
  why.model = request.model;
  why.end = end;
  why.reason = reason;
  why.ran = request.state == Request::State::kRunning;
  why.since_arrival = now_ - request.at;
  if (request.deadline < Instant::Max()) why.bound = request.deadline - request.at;
  out_->decisions.push_back(why);
}

void Scheduler::Body::NoteRerun(const Request& request, const StartedRun& run) {
  out_->decisions.push_back(RerunDecision{request.id, run.id, run.member_count});
}

void Scheduler::Body::NoteLoad(ModelId id) {
  const ModelRecord& model = models_[ToIndex(id)];
  LoadDecision why;
  why.model = id;
  why.waiting = model.waiting;
  why.again = model.served;
  if (model.served) why.reason = model.waiting > 0 ? LoadReason::kWaiting : LoadReason::kExpected;
  if (const ModelId there = InPlaceOf(model); Limited() && there != kNoModelId) {
    why.in_place_of = there;
    const bool better = model.accuracy > models_[ToIndex(there)].accuracy;
    if (why.reason == LoadReason::kExpected) {
      why.reason = better ? LoadReason::kBetter : LoadReason::kSmaller;
    }
  }
  NoteTurn(model, why);
  why.size = model.memory.size;
  why.free = Limited() ? Free() : Bytes();
  why.limit = limit_;
  out_->decisions.push_back(why);
}

void Scheduler::Body::NoteTurn(const ModelRecord& model, LoadDecision& why) {
  const auto offer = [&](const ModelRecord& other, Instant due) {
    if (due == Instant::Max() || (why.next && due - now_ >= why.next_due)) return;
    why.next = ModelId{static_cast<std::uint32_t>(&other - models_.data())};
    why.next_due = due - now_;
  };
  if (why.reason == LoadReason::kControl || why.reason == LoadReason::kWaiting) {
    if (model.memory.due < Instant::Max()) why.due = model.memory.due - now_;
    for (const ModelId id : loads_waiting_) {
      const ModelRecord& other = models_[ToIndex(id)];
      if (&other != &model) offer(other, other.memory.due);
    }
  } else if (why.reason == LoadReason::kExpected &&
             FirstOf(model).memory.expected < Instant::Max()) {
    why.due = FirstOf(model).memory.expected - now_;
    for (const ModelRecord& other : models_) {
      if (other.family == model.family || !MayBeExpected(other) || !ExpectedNow(other)) continue;
      offer(other, other.memory.expected);
    }
  }
}

EvictDecision& Scheduler::Body::NoteEvict(ModelId id, std::optional<ModelId> asked, Bytes needed,
                                          EvictReason reason) {
  const ModelRecord& model = models_[ToIndex(id)];
  EvictDecision why;
  why.model = id;
  why.reason = reason;
  why.policy = residency_->name();
  why.asked = asked;
  why.size = model.memory.held;
  why.needed = needed;
  const Instant last_used = FirstOf(model).memory.last_used;
  if (last_used > Instant()) why.unused = now_ - last_used;
  why.waiting = model.waiting;
  why.running = model.running;
  out_->decisions.push_back(why);
  return std::get<EvictDecision>(out_->decisions.back());
}

void Scheduler::Body::NoteChoice(std::size_t place, std::size_t asked, EvictDecision& why) {
  const LeavingFigure own = planned_by_->FigureOf(view_, place, why.needed);
  why.figure = own.name;
  why.value = own.value;
  std::int64_t least = 0;
  for (std::size_t i = 0; i < view_models_.size(); ++i) {
    if (i == asked || view_models_[i].held || view_models_[i].resident == kNoVariant) continue;
    if (std::ranges::find(plan_.changes, i, &ResidencyChange::model) != plan_.changes.end())
      continue;
    const LeavingFigure figure = planned_by_->FigureOf(view_, i, why.needed);
    if (why.next && figure.order >= least) continue;
    why.next = view_ids_[i];
    why.next_value = figure.value;
    least = figure.order;
  }
}

}  // namespace cotenant
