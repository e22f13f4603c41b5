/// Runs end, requests end, replies are written.

#include <algorithm>

#include "base/check.h"
#include "scheduler/body.h"

namespace cotenant {

void Scheduler::Body::Release(std::uint32_t index, Duration ran_for) {
  StartedRun& run = runs_[index];
  ModelRecord& model = models_[ToIndex(run.model)];
  if (run.chain == kNowhere) {
    slots_.Return(index);
  } else {
    slots_.Leave(run.chain);
  }
  COTENANT_CHECK(model.running > 0);
  --model.running;
  if (Limited() && MemoryIsWanted()) Stir();
  if (model.KeepsOrder()) {
    for (const ModelId id : FirstOf(model).variants) {
      const std::uint32_t queue = models_[ToIndex(id)].first_queue;
      if (queue != kNowhere) Touch(queue);
    }
  }
  // What was charged by estimate becomes what it took, shared by rows.
  for (std::uint32_t m = run.first_member; m != kNowhere; m = requests_[m].next_member) {
    Request& request = requests_[m];
    const Duration took =
        run.member_count == 1 ? ran_for * run.cores : ran_for * run.cores * request.rows / run.rows;
    accounts_.Charge(request.tenant, took - request.cost);
    request.cost = took;
  }
  COTENANT_CHECK(run_by_id_.Erase(run.id));
}

void Scheduler::Body::On(const RunFinished& event) {
  const std::uint32_t* found = run_by_id_.Find(event.run);
  if (found == nullptr) return;
  const std::uint32_t index = *found;
  Release(index, event.ran_for);
  const StartedRun run = runs_[index];
  runs_.Give(index);
  for (std::uint32_t m = run.first_member; m != kNowhere;) {
    const std::uint32_t next = requests_[m].next_member;
    EndWithRun(m, requests_[m].gone ? End::kCancelled : End::kReplied, event.at);
    m = next;
  }
  Learn(run.model, run.rows, event.ran_for, event.at);
  if (Limited()) LearnPeak(models_[ToIndex(run.model)], event.peak);
  UnloadIfDone(run.model);
}

void Scheduler::Body::On(const RunFailed& event) {
  const std::uint32_t* found = run_by_id_.Find(event.run);
  if (found == nullptr) return;
  const std::uint32_t index = *found;
  Release(index, event.ran_for);
  const StartedRun run = runs_[index];
  runs_.Give(index);
  const bool rerun = event.on_content && run.member_count > 1;
  for (std::uint32_t m = run.first_member; m != kNowhere;) {
    const std::uint32_t next = requests_[m].next_member;
    if (requests_[m].gone) {
      EndWithRun(m, End::kCancelled, event.at);
    } else if (rerun) {
      if (out_->with_reasons) NoteRerun(requests_[m], run);
      RerunAlone(m);
    } else {
      if (out_->with_reasons) NoteEnd(requests_[m], End::kFailed, RejectReason::kExpired);
      EndWithRun(m, End::kFailed, event.at);
    }
    m = next;
  }
  UnloadIfDone(run.model);
}

void Scheduler::Body::RerunAlone(std::uint32_t index) {
  Request& request = requests_[index];
  COTENANT_CHECK(!request.alone);
  request.alone = true;
  Enqueue(index, CostOf(request, model_of(request)));
}

void Scheduler::Body::EndWithRun(std::uint32_t index, End end, Instant at) {
  Request& request = requests_[index];
  if (end == End::kReplied) request.run_ended = at;
  out_->actions.push_back(Reply{request.id, end, request.cold});
  CountEnd(index, end);
  LeaveModel(request.model);
}

void Scheduler::Body::LeaveModel(ModelId model) {
  COTENANT_CHECK(models_[ToIndex(model)].accepted > 0);
  --models_[ToIndex(model)].accepted;
  UnloadIfDone(model);
}

void Scheduler::Body::EndByReject(std::uint32_t index, const Reject& reject) {
  out_->actions.push_back(reject);
  CountEnd(index, reject.end);
}

void Scheduler::Body::CountEnd(std::uint32_t index, End end) {
  Request& request = requests_[index];
  COTENANT_CHECK(request.state != Request::State::kEnded && request.queue == kNowhere);
  request.state = Request::State::kEnded;
  switch (end) {
    case End::kReplied: ++ends_.replied; break;
    case End::kRejected: ++ends_.rejected; break;
    case End::kExpired: ++ends_.expired; break;
    case End::kCancelled: ++ends_.cancelled; break;
    case End::kFailed: ++ends_.failed; break;
  }
}

void Scheduler::Body::On(const ReplyWritten& event) {
  const std::uint32_t* found = request_by_id_.Find(event.request);
  if (found == nullptr || requests_[*found].state != Request::State::kEnded) return;
  const std::uint32_t index = *found;
  const Request& request = requests_[index];
  if (request.run_ended < Instant::Max()) {
    reply_overhead_.Add(std::max(event.at - request.run_ended, Duration()));
  }
  COTENANT_CHECK(request_by_id_.Erase(event.request));
  requests_.Give(index);
}

}  // namespace cotenant
