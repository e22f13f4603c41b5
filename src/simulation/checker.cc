#include "simulation/checker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "policy/policy_table.h"

namespace cotenant {

Checker::Checker(const SchedulerSettings& settings)
    : settings_(settings),
      slot_taken_(static_cast<std::size_t>(settings.slots), false),
      limit_(settings.memory) {
  UsePolicies();
}

void Checker::UsePolicies() {
  const PolicyChoice& policies = settings_.node.policies;
  const PolicyProperties dispatch = FindDispatch(policies.dispatch).value()->properties();
  order_ = dispatch.order;
  starvation_free_ = dispatch.starvation_free;
  const BatchingPolicy* const batching = FindBatching(policies.batching).value();
  batching_holds_ = batching == nullptr || !batching->properties().work_conserving;
}

void Checker::Violated(const std::string& what) {
  constexpr std::size_t kViolationsMax = 20;  // The first ones tell; the rest follows from them.
  if (violations_.size() >= kViolationsMax) return;
  violations_.push_back("at " + std::to_string(now_.nanoseconds()) + " ns, crank " +
                        std::to_string(crank_) + ": " + what);
}

void Checker::CountWaiting(const Request& request, Model& model, std::int64_t change) {
  waiting_ += change;
  if (request.may_wait) may_wait_ += change;
  if (request.wants != kNowhere) {
    // Its model's load failed in the crank that it came in.
    if (request.wants >= model.wants.size()) return;
    model.wants[request.wants].waiting += change;
    if (IsOut(request)) waiting_out_ += change;
    return NoteOutOf(model);
  }
  model.waiting += change;
  if (model.state != Model::State::kReady) waiting_out_ += change;
  NoteOut(model);
}

void Checker::Crank(Instant now, std::span<const Event> events, const ActionList& actions) {
  Expect(now >= now_, [] { return std::string("time goes back"); });
  now_ = now;
  ++crank_;
  crank_chain_ = kNowhere;
  if (wake_.has_value() && *wake_ <= now) wake_.reset();
  for (const Event& event : events) Take(event);
  for (const Action& action : actions.actions) Check(action, actions);
  CheckUnloadsLeaveNobody();
  if (!several_.empty()) CheckVariants();
  CheckIdle();
  if (Limited() && waiting_out_ > 0) CheckWaits();
}

void Checker::Take(const Event& event) {
  ++sequence_;
  if (const auto* arrived = std::get_if<Arrived>(&event)) {
    Arrive(*arrived);
  } else if (const auto* finished = std::get_if<RunFinished>(&event)) {
    EndRun(finished->run, finished->ran_for, finished->peak);
  } else if (const auto* written = std::get_if<ReplyWritten>(&event)) {
    const std::uint32_t* const index = request_by_id_.Find(written->request);
    if (index == nullptr || !requests_[*index].ended) return;
    requests_.Give(*index);
    request_by_id_.Erase(written->request);
  } else if (const auto* gone = std::get_if<Gone>(&event)) {
    GoAway(gone->request);
  } else if (const auto* failed = std::get_if<RunFailed>(&event)) {
    EndRun(failed->run, failed->ran_for, {});
  } else if (std::holds_alternative<Woken>(event)) {
    wake_.reset();
  } else {
    TakeControl(event);
  }
}

void Checker::Arrive(const Arrived& event) {
  const std::uint32_t index = requests_.Take();
  const bool is_new = request_by_id_.Insert(event.request, index);
  Expect(is_new, [&] { return "request " + Name(event.request) + " arrives twice"; });
  Request& request = requests_[index];
  request = Request{};
  request.id = event.request;
  request.model = event.model;
  request.tenant = event.tenant;
  request.rows = event.rows;
  request.batch_key = event.batch_key;
  request.sequence = sequence_;
  request.taken = now_;
  const auto& tenants = settings_.node.tenants;
  Duration bound = event.bounds.latency;
  if (bound == Duration() && ToIndex(event.tenant) < tenants.size()) {
    bound = tenants[ToIndex(event.tenant)].latency_bound;
  }
  if (bound > Duration()) request.deadline = std::min(event.at + bound, Instant::Max());
  Model& model = ModelOf(event.model);
  ++model.live;
  NoteUser(model, event.tenant);
  const bool chooses =
      model.variants.size() > 1 || event.variant.has_value() || event.bounds.accuracy > 0;
  if (chooses) request.wants = WantsOf(event, model);
  request.cold = IsOut(request);
  request.may_wait = model.settings.cores > 1 ||
                     (model.settings.batching && model.settings.window.preserve_ordering);
  CountWaiting(request, model, 1);
  ++accepted_;
  if (starvation_free_) List(index, model);
  if (!OneOrder(model) || model.variants.size() > 1) return;
  request.ordered = true;
  PlaceInOrder(request, model);
}

void Checker::PlaceInOrder(const Request& request, Model& model) {
  if (order_ == OrderKept::kTenant || order_ == OrderKept::kAny) return;
  const bool by_arrival = order_ == OrderKept::kArrival ||
                          (model.settings.batching && model.settings.window.preserve_ordering);
  const std::int64_t rank = by_arrival ? 0 : request.deadline.nanoseconds();
  // Those that ended waiting stay in the heap until they come first; not more of them than others.
  constexpr std::size_t kPlacesLeast = 64;
  if (model.order.size() >= kPlacesLeast && model.order.size() > 2 * model.live) {
    std::erase_if(model.order, [this](const Place& place) { return !Waits(place); });
    std::make_heap(model.order.begin(), model.order.end());
  }
  model.order.push_back({rank, request.sequence, request.id});
  std::push_heap(model.order.begin(), model.order.end());
}

bool Checker::Waits(const Place& place) {
  const Request* const waiting = Find(place.request);
  return waiting != nullptr && waiting->sequence == place.sequence && !waiting->ended &&
         waiting->starts == 0;
}

void Checker::GoAway(RequestId id) {
  Request* const request = Find(id);
  if (request != nullptr && !request->ended) request->gone = true;
}

void Checker::EndRun(RunId id, Duration ran_for, Bytes peak) {
  const std::uint32_t* const found = run_by_id_.Find(id);
  if (found == nullptr) return;
  const std::uint32_t index = *found;
  const Run& run = runs_[index];
  Model& model = ModelOf(run.start.model);
  for (RequestId member : run.members) {
    Request* const request = Find(member);
    if (request == nullptr || !request->running) continue;
    request->running = false;
    // Until the same crank's reply, or its second run.
    CountWaiting(*request, ModelOf(request->model), 1);
  }
  CountServed(run, ran_for);
  --model.running;
  if (peak > model.peak) {
    model.peak = peak;
    account_moved_ = grew_ = true;
  }
  bool frees = run.chain == kNowhere;
  if (!frees && --chains_[run.chain].runs == 0) {
    frees = chains_[run.chain].slot >= 0;
    if (!frees) --beyond_;
    chains_.Give(run.chain);
  }
  if (frees) {
    taken_ -= run.start.cores;
    slot_taken_[static_cast<std::size_t>(run.start.slot)] = false;
  }
  run_by_id_.Erase(id);
  runs_.Give(index);
}

void Checker::TakeControl(const Event& event) {
  if (const auto* wanted = std::get_if<LoadWanted>(&event)) {
    SetState(ModelOf(wanted->model), Model::State::kAbsent);
    SetState(ModelOf(wanted->model), Model::State::kWanted);
    Model& model = ModelOf(wanted->model);
    model.size = wanted->expected;
    model.load_peak = wanted->load_peak;
    model.load_peak_guessed = wanted->load_peak_guessed;
    model.peak = wanted->run_peak;
    Join(wanted->model, *wanted);
  } else if (const auto* loaded = std::get_if<LoadFinished>(&event)) {
    Model& model = ModelOf(loaded->model);
    if (model.state == Model::State::kLoading) EndLoad(model, *loaded);
  } else if (const auto* failed = std::get_if<LoadFailed>(&event)) {
    Model& model = ModelOf(failed->model);
    if (model.state != Model::State::kLoading) return;
    model.held = Bytes();
    SetState(model, model.served ? Model::State::kOut : Model::State::kAbsent);
  } else if (const auto* evicted = std::get_if<Evicted>(&event)) {
    Model& model = ModelOf(evicted->model);
    Expect(model.state == Model::State::kEvicting,
           [&] { return "model " + Name(evicted->model) + " is evicted unasked or twice"; });
    if (model.state != Model::State::kEvicting) return;
    model.held = Bytes();
    SetState(model, Model::State::kOut);
  } else if (const auto* leaving = std::get_if<UnloadWanted>(&event)) {
    ModelOf(leaving->model).leaving = ModelOf(leaving->model).state != Model::State::kAbsent;
    // The first of several takes the others with it.
    const std::vector<ModelId> all = ModelOf(leaving->model).variants;
    for (const ModelId id : all) ModelOf(id).leaving = true;
  } else if (const auto* unloaded = std::get_if<Unloaded>(&event)) {
    SetState(ModelOf(unloaded->model), Model::State::kAbsent);
  } else if (std::holds_alternative<DrainWanted>(event)) {
    draining_ = true;
  } else if (const auto* less = std::get_if<MemoryChanged>(&event)) {
    const Bytes least(settings_.run_peak_floor.count() * settings_.slots);
    limit_ = std::min(std::max(less->memory, least), settings_.memory);
    account_moved_ = grew_ = true;
  } else if (const auto* changed = std::get_if<SettingsChanged>(&event)) {
    settings_.node = changed->settings;
    settings_changed_ = crank_;
    UsePolicies();
    // The order that holds from now on is that of the requests to come.
    for (Model& model : models_) {
      model.order.clear();
      model.last_by_tenant.clear();
    }
    for (std::uint32_t index = 0; index < requests_.places(); ++index) {
      requests_[index].ordered = false;
      Unlist(requests_[index]);
    }
  }
}

void Checker::Check(const Action& action, const ActionList& actions) {
  Digest(action.index());
  if (const auto* start = std::get_if<StartRun>(&action)) {
    CheckRun(*start, actions);
  } else if (const auto* reply = std::get_if<Reply>(&action)) {
    if (reply->cold) Digest(1);
    Request* const request = Find(reply->request);
    // One that is about to leave is no longer counted on.
    Expect(request == nullptr || request->cold == reply->cold || (Limited() && reply->cold),
           [&] { return "request " + Name(reply->request) + " was not cold, or it was"; });
    CheckEnd(reply->request, request, reply->end, false);
  } else if (const auto* reject = std::get_if<Reject>(&action)) {
    Digest(static_cast<std::uint64_t>(reject->reason));
    Digest(static_cast<std::uint64_t>(reject->earliest_bound.nanoseconds()));
    CheckRefusal(*reject);
    CheckEnd(reject->request, Find(reject->request), reject->end, true);
  } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
    Digest(static_cast<std::uint64_t>(wake->at.nanoseconds()));
    Expect(wake->at > now_, [] { return std::string("wake-up in the past"); });
    wake_ = wake->at;
  } else if (const auto* stop = std::get_if<StopRun>(&action)) {
    Digest(ToIndex(stop->run));
    const std::uint32_t* const index = run_by_id_.Find(stop->run);
    if (index == nullptr) return;
    Expect(!runs_[*index].stopped, [&] { return "run " + Name(stop->run) + " is stopped twice"; });
    runs_[*index].stopped = true;
  } else if (const auto* load = std::get_if<StartLoad>(&action)) {
    CheckLoad(load->model);
  } else if (const auto* unload = std::get_if<StartUnload>(&action)) {
    CheckUnload(unload->model);
  } else if (const auto* evict = std::get_if<StartEvict>(&action)) {
    CheckEvict(evict->model);
  } else if (const auto* stop_load = std::get_if<StopLoad>(&action)) {
    CheckStopLoad(stop_load->model);
  } else {
    Expect(draining_ && !drained_ && requests_.size() == 0,
           [] { return std::string("drained too early or twice"); });
    drained_ = true;
  }
}

void Checker::CheckLoad(ModelId id) {
  Digest(ToIndex(id));
  Model& model = ModelOf(id);
  Expect(model.state == Model::State::kWanted || model.state == Model::State::kOut,
         [&] { return "load of model " + Name(id) + ", which nobody wants or which is there"; });
  SetState(model, Model::State::kLoading);
  model.load_began = now_;
  model.load_stopped = false;
  Expect(loading_ <= settings_.loads_max, [] { return std::string("too many loads at a time"); });
  if (!Limited()) return;
  model.held = model.size;
  CheckTenant(id);
  Expect(Taken() <= limit_, [&] {
    return "load of model " + Name(id) +
           " without room: " + std::to_string((Taken() - limit_).count()) + " bytes are lacking";
  });
}

void Checker::CheckUnload(ModelId id) {
  Digest(ToIndex(id));
  Model& model = ModelOf(id);
  const bool never_fits = Limited() && model.state == Model::State::kWanted &&
                          (!Possible(model) || !FitsInto(limit_, model) || AnyPinned());
  Expect((model.leaving || never_fits) && model.state != Model::State::kUnloading,
         [&] { return "unload of model " + Name(id) + ", which nobody wants"; });
  Expect(model.running == 0, [&] { return "unload of model " + Name(id) + " under a run"; });
  SetState(model, Model::State::kUnloading);
  unloads_.push_back(id);
}

/// A request that comes in the same crank, too late, is refused after the unload.
void Checker::CheckUnloadsLeaveNobody() {
  for (const ModelId id : std::exchange(unloads_, {})) {
    const std::uint64_t live = ModelOf(id).live;
    Expect(live == 0, [&] {
      return "unload of model " + Name(id) + " before the end of " + std::to_string(live) +
             " requests";
    });
  }
}

void Checker::CheckRun(const StartRun& start, const ActionList& actions) {
  ++starts_;
  Digest(ToIndex(start.run));
  Digest(ToIndex(start.model));
  Digest(static_cast<std::uint64_t>(start.slot));
  Digest(static_cast<std::uint64_t>(start.where));
  const auto members = actions.MembersOf(start);
  const auto name = [&] { return "run " + Name(start.run); };
  const Request* const first = members.empty() ? nullptr : Find(members.front());
  Expect(first != nullptr, [&] { return name() + " is empty or of an unknown request"; });
  Model& model = ModelOf(start.model);
  Expect(model.state == Model::State::kReady, [&] { return name() + " is of no loaded model"; });
  ++model.running;
  if (members.size() > 1) ++batched_;
  std::int64_t rows = 0;
  const std::uint64_t key = first == nullptr ? 0 : first->batch_key;
  for (RequestId member : members) {
    Digest(ToIndex(member));
    const Request* const request = CheckMember(start, member, key);
    if (request == nullptr) continue;
    rows += request->rows;
    Expect(members.size() == 1 || request->starts == 1,
           [&] { return name() + ": a rerun is not alone"; });
  }
  Expect(rows == start.rows, [&] { return name() + " has other rows than its members"; });
  Expect(members.size() == 1 || rows <= model.settings.rows_max,
         [&] { return name() + " has too many rows"; });
  const std::uint32_t index = runs_.Take();
  const bool is_new = run_by_id_.Insert(start.run, index);
  Expect(is_new, [&] { return name() + " begins twice"; });
  Run& run = runs_[index];
  run.start = start;
  run.members.assign(members.begin(), members.end());
  run.chain = kNowhere;
  run.stopped = false;
  CheckSlots(start, run);
}

Checker::Request* Checker::CheckMember(const StartRun& start, RequestId member, std::uint64_t key) {
  Request* const request = Find(member);
  const auto name = [&] { return "request " + Name(member); };
  Expect(request != nullptr, [&] { return "run of unknown " + name(); });
  if (request == nullptr) return nullptr;
  Expect(!request->running && !request->ended, [&] { return "run of busy or ended " + name(); });
  Expect(MayRunOn(*request, start.model), [&] { return name() + " runs on another model"; });
  Expect(request->batch_key == key, [&] { return name() + " joins what it may not join"; });
  Expect(!request->gone, [&] { return name() + " runs after its client went away"; });
  if (request->starts == 0) {
    Expect(request->deadline > now_, [&] { return "run of expired " + name(); });
    CheckOrder(*request, models_[ToIndex(start.model)]);
  }
  CountWaiting(*request, ModelOf(request->model), -1);
  Unlist(*request);
  request->running = true;
  ++request->starts;
  Expect(request->starts <= 2, [&] { return "third run of " + name(); });
  return request;
}

bool Checker::OneOrder(const Model& model) const {
  const PolicyChoice& policies = settings_.node.policies;
  const ModelSettings& settings = model.settings;
  if (settings.batching && settings.window.priority_levels > 0) return false;
  const QueuePolicy& policy = settings.window.default_policy;
  if (settings.batching && policy.timeout_action == TimeoutAction::kDelay) return false;
  return policies.batching == "none" || settings.rows_max == 1 ||
         (policies.batching == "model" && !settings.batching);
}

void Checker::CheckOrder(Request& request, Model& model) {
  if (!request.ordered || order_ == OrderKept::kAny) return;
  const auto overtaken = [&] { return "request " + Name(request.id) + " begins out of order"; };
  if (order_ == OrderKept::kTenant) {
    const std::size_t tenant = ToIndex(request.tenant);
    if (tenant >= model.last_by_tenant.size()) model.last_by_tenant.resize(tenant + 1);
    std::uint64_t& last = model.last_by_tenant[tenant];
    Expect(request.sequence > last, overtaken);
    last = request.sequence;
    return;
  }
  // Those that ended waiting are still in the heap.
  while (!model.order.empty()) {
    const Place& first = model.order.front();
    if (first.request == request.id && first.sequence == request.sequence) {
      std::pop_heap(model.order.begin(), model.order.end());
      model.order.pop_back();
      return;
    }
    if (Waits(first)) return Expect(false, overtaken);
    std::pop_heap(model.order.begin(), model.order.end());
    model.order.pop_back();
  }
}

void Checker::CheckSlots(const StartRun& start, Run& run) {
  const auto name = [&] { return "run " + Name(start.run); };
  if (start.where == Where::kInline) {
    ++inline_starts_;
    if (crank_chain_ != kNowhere) {
      Expect(chains_[crank_chain_].slot == start.slot,
             [&] { return name() + " changes its chain's slot"; });
      ++chains_[crank_chain_].runs;
      run.chain = crank_chain_;
      return;
    }
    crank_chain_ = chains_.Take();
    chains_[crank_chain_] = {start.slot, 1};
    run.chain = crank_chain_;
    if (start.slot < 0) {
      Expect(++beyond_ <= settings_.inline_beyond_slots_max,
             [&] { return name() + " goes beyond the slots once too often"; });
      return;
    }
  }
  taken_ += start.cores;
  const auto slot = static_cast<std::size_t>(start.slot);
  const bool free = slot < slot_taken_.size() && !slot_taken_[slot] && taken_ <= settings_.slots;
  Expect(free, [&] { return name() + " takes a slot that is not free"; });
  if (slot < slot_taken_.size()) slot_taken_[slot] = true;
  CheckStarved(run);
}

void Checker::CheckEnd(RequestId id, Request* request, End end, bool by_reject) {
  Digest(ToIndex(id));
  Digest(static_cast<std::uint64_t>(end));
  const auto name = [&] { return "request " + Name(id); };
  Expect(request != nullptr, [&] { return "end of unknown " + name(); });
  if (request == nullptr) return;
  Expect(!request->ended, [&] { return "second end of " + name(); });
  Expect(!request->running, [&] { return "end of " + name() + " while it runs"; });
  const bool with_run = end == End::kReplied || end == End::kFailed;
  Expect(by_reject == (end == End::kRejected || end == End::kExpired),
         [&] { return "wrong kind of end of " + name(); });
  Expect(!with_run || request->starts > 0, [&] { return "reply without a run to " + name(); });
  Expect(!with_run || !request->gone, [&] { return "reply after cancellation to " + name(); });
  Model& model = ModelOf(request->model);
  if (!request->ended && !request->running) CountWaiting(*request, model, -1);
  Unlist(*request);
  request->ended = true;
  --model.live;
  ++ends_[static_cast<std::size_t>(end)];
}

void Checker::CheckIdle() {
  if (waiting_ == 0) return;
  const bool loads = loading_ > 0 || evicting_ > 0 || unloading_ > 0;
  Expect(runs_.size() > 0 || wake_.has_value() || (loads && waiting_out_ > 0),
         [] { return std::string("all idle while work waits"); });
  // A model that has to leave memory for others begins no more runs.
  if (Limited() && (MemoryIsWanted() || TenantsOver())) return;
  // Runs on several cores and kept orders may hold others up.
  if (may_wait_ > 0 || FreeSlots() == 0 || changing_ > 0) return;
  Expect(batching_holds_ && wake_.has_value(), [&] {
    return std::to_string(FreeSlots()) + " slots are free while " + std::to_string(waiting_) +
           " requests wait" + (batching_holds_ ? " and no wake-up is set" : "");
  });
}

void Checker::Finish(const EndCounts& counts) {
  const auto expect = [&](bool holds, const std::string& what) {
    Expect(holds, [&] { return what; });
  };
  expect(requests_.size() == 0, std::to_string(requests_.size()) + " requests without end");
  expect(runs_.size() == 0, std::to_string(runs_.size()) + " runs without end");
  const auto of = [&](End end) { return ends_[static_cast<std::size_t>(end)]; };
  expect(counts.accepted == accepted_, "the brain counts arrivals otherwise");
  expect(counts.replied == of(End::kReplied), "the brain counts replies otherwise");
  expect(counts.rejected == of(End::kRejected), "the brain counts rejections otherwise");
  expect(counts.expired == of(End::kExpired), "the brain counts expiries otherwise");
  expect(counts.cancelled == of(End::kCancelled), "the brain counts cancellations otherwise");
  expect(counts.failed == of(End::kFailed), "the brain counts failures otherwise");
  expect(drained_ == draining_, "the drain is not finished");
  if (Limited()) FinishMemory();
  for (std::size_t i = 0; i < models_.size(); ++i) {
    // One that still loads leaves after that; no request holds the others.
    const Model::State state = models_[i].state;
    const bool stays = state == Model::State::kReady || state == Model::State::kWanted;
    expect(!models_[i].leaving || !stays,
           "the unload of model " + std::to_string(i) + " was wanted and never began");
  }
}

}  // namespace cotenant
