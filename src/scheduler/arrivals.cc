/// Requests come, are refused, expire or go away before they ran; settings change under them.

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "scheduler/body.h"

namespace cotenant {
namespace {

Reject Expired(const Request& request) {
  return {request.id, End::kExpired, Code::kDeadlineExceeded, RejectReason::kExpired, {}, {}, {}};
}

}  // namespace

/// When a request that is not yet queued would be done.
class Scheduler::Body::Forecast final : public FinishForecast {
 public:
  Forecast(Body& body, const Request& request, const ModelRecord& model)
      : body_(body), request_(request), model_(model) {}

  Duration For(Duration bound) const override {
    RequestView view = body_.ViewOf(request_);
    view.deadline = request_.at + bound;
    const std::int64_t primary = body_.dispatch_->RankOf(view);
    const Duration work = body_.queues_.WorkBefore({0, primary, request_.sequence});
    Duration start = body_.slots_.FreeAfter(work, body_.CoresOf(model_), body_.now_);
    if (!body_.InMemory(model_)) {
      const Duration load = body_.LoadWait(model_, body_.DueOf(view.deadline, request_.at));
      return body_.now_ - request_.at + std::max(start, load) +
             model_.estimates.P95(body_.RowsJoined(request_, model_)) + body_.ReplyOverhead();
    }
    if (body_.MayInline(model_, request_.rows) && body_.settings_.inline_beyond_slots_max > 0) {
      // It waits for other short runs only.
      const Duration turn =
          body_.slots_.BeyondLeft() ? Duration() : body_.settings_.inline_turn_max;
      const Duration ahead = std::min(work, body_.queues_.InlineWork());
      start = std::min(start, turn + ahead / body_.settings_.inline_beyond_slots_max);
    }
    const Duration waited = body_.now_ - request_.at;
    const std::int32_t rows = body_.RowsJoined(request_, model_);
    return waited + start + model_.estimates.P95(rows) + body_.ReplyOverhead();
  }

 private:
  Body& body_;
  const Request& request_;
  const ModelRecord& model_;
};

std::int32_t Scheduler::Body::RowsJoined(const Request& request, const ModelRecord& model) const {
  if (!model.batching->joins()) return request.rows;
  const std::int64_t rows = queues_.RowsBeside(request, model) + request.rows;
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(rows, std::max(model.settings.rows_max, request.rows)));
}

const QueuePolicy& Scheduler::Body::PolicyOf(const DynamicBatching& window, std::uint32_t level) {
  const auto found = window.priority_policies.find(level);
  return found == window.priority_policies.end() ? window.default_policy : found->second;
}

void Scheduler::Body::On(const Arrived& event) {
  COTENANT_CHECK(event.at <= now_ && event.rows >= 1);
  ModelRecord* model = FindModel(event.model);
  const std::uint32_t index = requests_.Take();
  COTENANT_CHECK(request_by_id_.Insert(event.request, index));
  Request& request = requests_[index];
  request = Request{};
  request.id = event.request;
  request.sequence = sequence_;
  request.at = event.at;
  request.taken = now_;
  request.tenant = event.tenant;
  request.model = event.model;
  request.rows = event.rows;
  request.batch_key = event.batch_key;
  ++ends_.accepted;
  if (model != nullptr) SetLimits(request, event, *model);
  if (model != nullptr && Limited()) {
    NoteUse(*model, event.at);
    if (!model->Several()) NoteUser(*model, event.tenant);
  }
  const bool chooses = model != nullptr &&
                       (model->Several() || event.variant.has_value() || event.bounds.accuracy > 0);
  const auto refusal = chooses ? Select(request, event, *model) : Refusal(request, model);
  if (refusal.has_value()) {
    // What admission refused was noted where it was asked.
    const bool by_admission = refusal->estimate > Duration();
    if (out_->with_reasons && !by_admission) {
      NoteRefusal(request, model == nullptr ? nullptr : &model_of(request), refusal->reason);
    }
    EndByReject(index, *refusal);
    return;
  }
  ModelRecord& chosen = model_of(request);
  ++chosen.accepted;
  request.cold = !InMemory(chosen);
  Enqueue(index, CostOf(request, chosen));
}

void Scheduler::Body::SetLimits(Request& request, const Arrived& event, const ModelRecord& model) {
  const Duration bound = event.bounds.latency > Duration() ? event.bounds.latency
                                                           : accounts_.LatencyBound(event.tenant);
  if (bound > Duration()) request.deadline = std::min(event.at + bound, Instant::Max());
  const DynamicBatching* window = model.window();
  if (window == nullptr) return;
  const bool named = event.priority > 0 && event.priority <= window->priority_levels;
  request.level = named ? event.priority : window->default_priority_level;
  if (window->priority_levels == 0) request.level = 0;
  const QueuePolicy& policy = PolicyOf(*window, request.level);
  Duration timeout = policy.default_timeout;
  const Duration wished = event.bounds.queue_timeout;
  if (policy.allow_timeout_override && wished > Duration()) {
    // A request may shorten the timeout, never prolong it.
    timeout = timeout > Duration() ? std::min(timeout, wished) : wished;
  }
  if (timeout > Duration()) request.queue_deadline = event.at + timeout;
}

std::optional<Reject> Scheduler::Body::Refusal(const Request& request, const ModelRecord* model) {
  const auto unavailable = [&](RejectReason reason, Duration retry_after = {}) {
    return Reject{request.id, End::kRejected, Code::kUnavailable, reason, {}, retry_after, {}};
  };
  if (draining_) return unavailable(RejectReason::kDraining);
  if (model == nullptr || !model->served || model->unload_wanted) {
    return unavailable(RejectReason::kModelUnloaded);
  }
  if (request.deadline <= now_) {
    return Expired(request);
  }
  const DynamicBatching* window = model->window();
  const std::uint32_t level_max =
      window == nullptr ? 0 : PolicyOf(*window, request.level).waiting_max;
  const bool model_full = level_max > 0 && model->waiting_by_level[request.level] >= level_max;
  if (model_full || accounts_.Full(request.tenant) || queues_.waiting() >= settings_.waiting_max) {
    return unavailable(RejectReason::kQueueFull, queues_.Work() / slots_.total());
  }
  if (!InMemory(*model)) {
    if (const auto refusal = NotLoadable(request, *model)) return refusal;
  }
  return NotFeasible(request, *model);
}

std::optional<Reject> Scheduler::Body::NotFeasible(const Request& request,
                                                   const ModelRecord& model) {
  if (request.deadline == Instant::Max()) {
    if (out_->with_reasons) NoteTaken(request);
    return std::nullopt;
  }
  Request asking = request;
  asking.virtual_start = accounts_.VirtualStart(request.tenant);
  asking.cost = CostOf(request, model);
  const Forecast forecast(*this, asking, model);
  AdmissionView view;
  view.bound = request.deadline - request.at;
  const bool cold = !InMemory(model);
  view.estimated = model.estimates.known() && (!cold || model.memory.load_takes > Duration());
  view.fastest = model.estimates.Fastest(request.rows);
  view.idle = runs_.size() == 0 && queues_.waiting() == 0 && !cold;
  view.finish = &forecast;
  const bool alone = model.waiting == 0 && model.running == 0 && !cold;
  if (alone && view.estimated && model.estimates.Stale(request.at, request.rows)) {
    view.alone_when_stale = model.estimates.P95(request.rows) + ReplyOverhead();
  }
  const AdmissionChoice choice = admission_->Choose(view);
  if (out_->with_reasons) NoteAdmission(asking, view.bound, choice);
  if (choice.admit) return std::nullopt;
  // Busy: what it lacks may have passed after that long. Idle: waiting does not help.
  const bool later_helps = choice.reason == AdmissionReason::kTooLate;
  return Reject{request.id,
                End::kRejected,
                Code::kUnavailable,
                cold && later_helps ? RejectReason::kNoRoom : RejectReason::kNotFeasible,
                choice.earliest_bound,
                later_helps ? choice.earliest_bound - view.bound : Duration(),
                choice.estimate};
}

void Scheduler::Body::Enqueue(std::uint32_t index, Duration cost) {
  Request& request = requests_[index];
  ModelRecord& model = model_of(request);
  request.state = Request::State::kWaiting;
  request.cost = cost;
  request.latest_start = request.deadline;
  if (request.deadline < Instant::Max() && model.estimates.known() && admission_->gives_up()) {
    const Duration finish = model.estimates.P95(RowsJoined(request, model)) + ReplyOverhead();
    request.latest_start = request.deadline - finish;
    // Taken although its run alone is past its bound: to learn, so it waits as long as it may.
    if (model.estimates.P95(request.rows) + ReplyOverhead() > request.deadline - request.at) {
      request.latest_start = request.deadline;
    }
  }
  request.virtual_start = accounts_.VirtualStart(request.tenant);
  accounts_.Charge(request.tenant, cost);
  accounts_.BeginWaiting(request.tenant, request.virtual_start);
  ++model.waiting;
  ++model.waiting_by_level[request.level];
  queues_.Add(index, dispatch_->RankOf(ViewOf(request)), model, sequence_);
  Touch(request.queue);
  if (Limited() && HasVariants(model)) NoteUser(model, request.tenant);
  if (!InMemory(model)) Await(request, model);
}

void Scheduler::Body::Dequeue(std::uint32_t index) {
  Request& request = requests_[index];
  COTENANT_CHECK(request.state == Request::State::kWaiting);
  ModelRecord& model = model_of(request);
  COTENANT_CHECK(model.waiting > 0 && model.waiting_by_level[request.level] > 0);
  --model.waiting;
  --model.waiting_by_level[request.level];
  accounts_.EndWaiting(request.tenant);
  const std::uint32_t left = queues_.Remove(index, model);
  if (left != kNowhere) Touch(left);
  if (model.waiting == 0 && Limited()) NoLongerAwaited(request.model, model);
}

void Scheduler::Body::On(const Gone& event) {
  const std::uint32_t* found = request_by_id_.Find(event.request);
  if (found == nullptr) return;
  const std::uint32_t index = *found;
  Request& request = requests_[index];
  if (request.state == Request::State::kWaiting) {
    accounts_.Charge(request.tenant, Duration() - request.cost);
    Dequeue(index);
    if (out_->with_reasons) NoteEnd(request, End::kCancelled, RejectReason::kExpired);
    EndWithRun(index, End::kCancelled, event.at);
  } else if (request.state == Request::State::kRunning && !request.gone) {
    request.gone = true;
    if (out_->with_reasons) NoteEnd(request, End::kCancelled, RejectReason::kExpired);
    StartedRun& run = runs_[request.run];
    COTENANT_CHECK(run.live > 0);
    if (--run.live == 0) out_->actions.push_back(StopRun{run.id});
  }
}

void Scheduler::Body::ExpireWaiting() {
  for (;;) {
    const std::uint32_t index = queues_.DueRequest(now_);
    if (index == kNowhere) break;
    Request& request = requests_[index];
    const bool late = request.latest_start <= now_;
    if (late && request.deadline > now_ && slots_.free() >= CoresOf(model_of(request)) &&
        InMemory(model_of(request))) {
      // It may run at once, and the estimate may be wrong.
      request.latest_start = request.deadline;
      queues_.SetTimer(index);
      continue;
    }
    const bool expired = late;
    const DynamicBatching* window = model_of(request).window();
    if (!expired && window != nullptr &&
        PolicyOf(*window, request.level).timeout_action == TimeoutAction::kDelay) {
      request.delayed = true;
      request.queue_deadline = Instant::Max();
      accounts_.Charge(request.tenant, Duration() - request.cost);
      Dequeue(index);
      Enqueue(index, request.cost);
      continue;
    }
    accounts_.Charge(request.tenant, Duration() - request.cost);
    Dequeue(index);
    Reject reject = Expired(request);
    if (!expired) {
      reject.end = End::kRejected;
      reject.code = Code::kUnavailable;
      reject.reason = RejectReason::kQueueTimeout;
    }
    if (out_->with_reasons) NoteEnd(requests_[index], reject.end, reject.reason);
    EndByReject(index, reject);
    LeaveModel(request.model);
  }
  for (;;) {
    const std::uint32_t queue = queues_.DueHeld(now_);
    if (queue == kNowhere) break;
    Touch(queue);
  }
}

void Scheduler::Body::On(const DrainWanted&) { draining_ = true; }

void Scheduler::Body::On(const SettingsChanged& event) {
  settings_.node = event.settings;
  accounts_.Configure(settings_.node.tenants);
  UsePolicies(settings_.node.policies);
  for (ModelRecord& model : models_) model.tenants_ask = 0;
  RankAnew();
}

void Scheduler::Body::UsePolicies(const PolicyChoice& choice) {
  dispatch_ = FindDispatch(choice.dispatch).value();
  batching_ = FindBatching(choice.batching).value();
  admission_ = FindAdmission(choice.admission).value();
  residency_ = FindResidency(choice.residency).value();
  prediction_ = FindPrediction(choice.prediction).value();
  tenants_capped_ = std::ranges::any_of(
      settings_.node.tenants, [](const Tenant& tenant) { return tenant.memory_max > Bytes(); });
  Stir();
}

void Scheduler::Body::RankAnew() {
  std::vector<std::uint32_t> waiting;
  for (std::uint32_t index = 0; index < requests_.places(); ++index) {
    if (requests_[index].queue != kNowhere) waiting.push_back(index);
  }
  std::ranges::sort(waiting, {}, [this](std::uint32_t index) { return requests_[index].sequence; });
  for (std::uint32_t index : waiting) Dequeue(index);
  for (ModelRecord& model : models_) {
    if (model.state != ModelRecord::State::kAbsent) UseBatching(model);
  }
  accounts_.Settle();
  for (std::uint32_t index : waiting) Enqueue(index, requests_[index].cost);
}

}  // namespace cotenant
