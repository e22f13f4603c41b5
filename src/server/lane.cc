#include "server/lane.h"

#include <chrono>
#include <thread>

#include "server/active_run.h"
#include "server/clock.h"
#include "server/node_body.h"
#include "server/reply.h"

namespace cotenant {

Lane::Lane(Node& node, Kind kind) : node_(node), kind_(kind) { node_.body_->Enter(*this); }

Lane::~Lane() { node_.body_->Leave(*this); }

Instant Lane::TurnBegan() {
  if (!in_turn_) {
    in_turn_ = true;
    turns_.fetch_add(1, std::memory_order_seq_cst);
    turn_began_ = MonotonicNow();
  }
  return turn_began_;
}

void Lane::AwaitTurnEnd() const {
  const std::uint64_t seen = turns_.load(std::memory_order_seq_cst);
  if (seen % 2 == 0) return;
  while (turns_.load(std::memory_order_seq_cst) == seen) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

const ModelTable& Lane::Table() {
  const ModelTables& tables = node_.body_->tables;
  if (const std::uint64_t newest = tables.generation(); newest != table_generation_) {
    table_ = tables.Get();
    table_generation_ = newest;
  }
  return *table_;
}

bool Lane::FinishTurn() {
  // What the last turn put off, before the brain gives out more: one turn's worth at a time.
  bool ran = !inline_runs_.empty();
  if (ran) RunInline();
  while (true) {
    if (!events_.empty()) {
      Crank();
      CarryOut();
    }
    if (!inline_runs_.empty()) {
      if (ran && kind_ == Kind::kServing) return true;
      RunInline();
      ran = true;
    } else if (events_.empty()) {
      break;
    }
  }
  if (in_turn_) {
    in_turn_ = false;
    turns_.fetch_add(1, std::memory_order_seq_cst);
  }
  return false;
}

ActiveRun* Lane::Work(ActiveRun& run) {
  Execute(run);
  FinishTurn();
  return std::exchange(own_run_, nullptr);
}

void Lane::Crank() {
  node_.body_->brain.Crank({events_, arrivals_, departures_, ended_, free_runs_}, work_);
  events_.clear();
  arrivals_.clear();
  departures_.clear();
  ended_.clear();
}

void Lane::CarryOut() {
  Node::Body& body = *node_.body_;
  // Other threads first: they begin while this one writes replies.
  for (ActiveRun* run : work_.worker_runs) {
    const bool keep = kind_ == Kind::kWorker && own_run_ == nullptr && work_.inline_runs.empty();
    if (keep) {
      own_run_ = run;
    } else {
      body.workers.Push(run);
    }
  }
  for (ActiveRun* run : work_.inline_runs) {
    if (kind_ == Kind::kKeeper) {
      body.workers.Push(run);
    } else {
      inline_runs_.push_back(run);
    }
  }
  for (ActiveRun* run : work_.released) Release(*run);
  for (const LaneWork::Ending& ending : work_.endings) EndCall(ending);
  for (ModelId model : work_.loads) body.controller.StartLoad(model);
  for (ModelId model : work_.unloads) body.controller.StartUnload(model);
  for (ModelId model : work_.evictions) body.controller.StartEvict(model);
  for (ModelId model : work_.stopped_loads) body.controller.StopLoad(model);
  if (!work_.loads.empty()) body.keeper.NeedWatch();
  if (work_.drained) {
    std::lock_guard lock(body.drained_mutex);
    if (body.drained) std::exchange(body.drained, nullptr)();
  }
}

void Lane::RunInline() {
  for (ActiveRun* run : inline_runs_) Execute(*run);
  inline_runs_.clear();
}

void Lane::Execute(ActiveRun& run) {
  run.Execute(&MonotonicNow);
  const Instant at = run.started() + run.ran_for();
  const Status& status = run.status();
  if (status.ok()) {
    events_.push_back(RunFinished{at, run.id(), run.ran_for(), run.peak()});
  } else {
    const bool on_content = status.code() == Code::kInvalidArgument;
    events_.push_back(RunFailed{at, run.id(), run.ran_for(), status.code(), on_content});
  }
  ended_.push_back(&run);
  RunRecord record;
  record.rows = run.rows();
  record.requests = static_cast<std::int32_t>(run.member_count());
  record.failed = !status.ok();
  record.compute_input = run.input();
  record.compute_infer = run.infer();
  record.compute_output = run.output();
  run.model().counters().RunEnded(record);
  run.model().CountRun();
  run.model().NotePeak(run.peak());
  node_.body_->keeper.NeedTidy();
}

void Lane::Release(ActiveRun& run) {
  run.ReturnBuffers();
  free_runs_.push_back(&run);
}

void Lane::EndCall(const LaneWork::Ending& ending) {
  InferCall& call = *ending.call;
  const Instant now = MonotonicNow();
  RequestRecord record;
  record.tenant = call.tenant_;
  record.end = call.end = ending.end;
  record.rows = call.rows_;
  record.total = now - call.at;
  record.wall_milliseconds = WallMilliseconds();
  record.cold = call.facts.cold = ending.cold;
  call.served->NoteUse(call.at);
  call.facts.bounded = call.bounds.latency > Duration();
  if (ending.end == End::kReplied) {
    FillReply(call, *call.run_, call.member_);
    if (!call.sequence.empty() && !call.served->variants().empty()) {
      node_.body_->RememberSequence(call, call.run_->model().id());
    }
    record.compute_input = call.run_->input();
    record.compute_infer = call.run_->infer();
    record.compute_output = call.run_->output();
    call.facts.bound_met = call.facts.bounded && record.total <= call.bounds.latency;
  } else if (ending.end == End::kRejected || ending.end == End::kExpired) {
    record.reason = call.reject_reason = ending.reject.reason;
    FillRefusal(call, ending.reject, node_.body_->FactsFor(ending.reject, call.tenant_));
  } else if (ending.end == End::kCancelled) {
    call.status = Status(Code::kCancelled, "the client cancelled the request");
  } else {
    call.status = call.run_->status();
    ActiveRun* run = std::exchange(call.run_, nullptr);
    if (run->LetGo()) Release(*run);
  }
  record.queue = call.facts.queue;
  record.bounded = call.facts.bounded;
  record.bound_met = call.facts.bound_met;
  call.served->counters().RequestEnded(record);
  call.Complete();
}

}  // namespace cotenant
