#include "simulation/checker.h"

#include <algorithm>
#include <variant>

namespace cotenant {
namespace {

std::string Name(auto id) { return std::to_string(ToIndex(id)); }

}  // namespace

void Checker::Expect(bool holds, const std::string& what) {
  constexpr std::size_t kViolationsMax = 20;  // The first ones tell; the rest follows from them.
  if (holds || violations_.size() >= kViolationsMax) return;
  violations_.push_back("at " + std::to_string(now_.nanoseconds()) + " ns: " + what);
}

void Checker::Digest(std::uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) {
    digest_ = (digest_ ^ ((value >> (8 * byte)) & 0xff)) * 0x100000001b3ULL;
  }
}

void Checker::Crank(Instant now, std::span<const Event> events, const ActionList& actions) {
  now_ = now;
  ++crank_;
  if (wake_.has_value() && *wake_ <= now) wake_.reset();
  for (const Event& event : events) Take(event);
  for (const Action& action : actions.actions) Check(action, actions);
  CheckIdle();
}

void Checker::Take(const Event& event) {
  ++sequence_;
  if (const auto* arrived = std::get_if<Arrived>(&event)) {
    requests_[arrived->request] = {*arrived, sequence_, false, false, 0};
    ++accepted_;
  } else if (const auto* finished = std::get_if<RunFinished>(&event)) {
    EndRun(finished->run);
  } else if (const auto* failed = std::get_if<RunFailed>(&event)) {
    EndRun(failed->run);
  } else if (const auto* written = std::get_if<ReplyWritten>(&event)) {
    requests_.erase(written->request);
  } else if (const auto* wanted = std::get_if<LoadWanted>(&event)) {
    models_[wanted->model] = Model{};
    models_[wanted->model].wanted = true;
  } else if (const auto* loaded = std::get_if<LoadFinished>(&event)) {
    Model& model = models_[loaded->model];
    model.loading = false;
    model.ready = true;
    model.settings = loaded->settings;
  } else if (const auto* unloadable = std::get_if<LoadFailed>(&event)) {
    models_.erase(unloadable->model);
  } else if (const auto* leaving = std::get_if<UnloadWanted>(&event)) {
    if (models_.contains(leaving->model)) models_[leaving->model].leaving = true;
  } else if (const auto* unloaded = std::get_if<Unloaded>(&event)) {
    models_.erase(unloaded->model);
  } else if (std::holds_alternative<Woken>(event)) {
    wake_.reset();
  } else if (std::holds_alternative<DrainWanted>(event)) {
    draining_ = true;
  } else if (const auto* changed = std::get_if<SettingsChanged>(&event)) {
    settings_.node = changed->settings;
    for (auto& [id, model] : models_) model.last_started = 0;
  }
}

void Checker::EndRun(RunId id) {
  const auto found = runs_.find(id);
  if (found == runs_.end()) return;
  const Run run = found->second;
  runs_.erase(found);
  for (RequestId member : run.members) requests_[member].running = false;
  if (run.chain == 0) return;
  const bool last = std::ranges::none_of(
      runs_, [&](const auto& other) { return other.second.chain == run.chain; });
  if (last) chain_slot_.erase(run.chain);
}

void Checker::Check(const Action& action, const ActionList& actions) {
  Digest(action.index());
  if (const auto* start = std::get_if<StartRun>(&action)) {
    CheckRun(*start, actions);
  } else if (const auto* stop = std::get_if<StopRun>(&action)) {
    Digest(ToIndex(stop->run));
    const auto run = runs_.find(stop->run);
    if (run != runs_.end()) {
      Expect(!run->second.stopped, "run " + Name(stop->run) + " is stopped twice");
      run->second.stopped = true;
    }
  } else if (const auto* reply = std::get_if<Reply>(&action)) {
    CheckEnd(reply->request, reply->end, false);
  } else if (const auto* reject = std::get_if<Reject>(&action)) {
    Digest(static_cast<std::uint64_t>(reject->reason));
    Digest(static_cast<std::uint64_t>(reject->earliest_bound.nanoseconds()));
    CheckEnd(reject->request, reject->end, true);
  } else if (const auto* load = std::get_if<StartLoad>(&action)) {
    Digest(ToIndex(load->model));
    Model& model = models_[load->model];
    Expect(model.wanted && !model.loading && !model.ready, "load of an unwanted model");
    model.loading = true;
    const auto loading = std::ranges::count_if(models_, [](auto& m) { return m.second.loading; });
    Expect(loading <= settings_.loads_max, "too many loads at a time");
  } else if (const auto* unload = std::get_if<StartUnload>(&action)) {
    Digest(ToIndex(unload->model));
    Model& model = models_[unload->model];
    Expect(model.leaving && !model.unloading, "unload that nobody wants");
    model.unloading = true;
    for (const auto& [id, request] : requests_) {
      Expect(request.ended || request.arrived.model != unload->model, "unload before the last end");
    }
  } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
    Digest(static_cast<std::uint64_t>(wake->at.nanoseconds()));
    Expect(wake->at > now_, "wake-up in the past");
    wake_ = wake->at;
  } else {
    Expect(draining_ && !drained_ && requests_.empty(), "drained too early or twice");
    drained_ = true;
  }
}

void Checker::CheckRun(const StartRun& start, const ActionList& actions) {
  ++starts_;
  Digest(ToIndex(start.run));
  Digest(ToIndex(start.model));
  Digest(static_cast<std::uint64_t>(start.slot));
  Digest(static_cast<std::uint64_t>(start.where));
  const auto members = actions.MembersOf(start);
  Expect(!members.empty() && !runs_.contains(start.run), "a run is empty or known");
  Expect(models_[start.model].ready && !models_[start.model].unloading, "a run of no model");
  if (members.size() > 1) ++batched_;
  std::int64_t rows = 0;
  for (RequestId member : members) {
    Digest(ToIndex(member));
    CheckMember(start, member, requests_[members.front()].arrived.batch_key);
    rows += requests_[member].arrived.rows;
    Expect(members.size() == 1 || requests_[member].starts == 1, "a rerun is not alone");
  }
  Expect(rows == start.rows, "rows of run " + Name(start.run));
  Expect(members.size() == 1 || rows <= models_[start.model].settings.rows_max, "too many rows");
  CheckSlots(start);
  Run& run = runs_[start.run];
  run.start = start;
  run.members.assign(members.begin(), members.end());
  if (start.where == Where::kInline) run.chain = crank_;
}

void Checker::CheckMember(const StartRun& start, RequestId member, std::uint64_t key) {
  const auto found = requests_.find(member);
  if (found == requests_.end()) return Expect(false, "run of unknown " + Name(member));
  Request& request = found->second;
  Expect(!request.running && !request.ended, "run of a busy or ended " + Name(member));
  Expect(request.arrived.model == start.model, "member of another model");
  Expect(request.arrived.batch_key == key, "members with different keys");
  const Duration bound = request.arrived.bounds.latency;
  if (request.starts == 0 && bound > Duration()) {
    Expect(request.arrived.at + bound > now_, "run of expired " + Name(member));
  }
  CheckOrder(start, member);
  request.running = true;
  ++request.starts;
  Expect(request.starts <= 2, "third run of " + Name(member));
}

void Checker::CheckOrder(const StartRun& start, RequestId member) {
  const Request& request = requests_[member];
  Model& model = models_[start.model];
  const PolicyChoice& policies = settings_.node.policies;
  const bool one_order = policies.batching == "none" || model.settings.rows_max == 1 ||
                         (policies.batching == "model" && !model.settings.batching);
  const bool levels = model.settings.batching && model.settings.window.priority_levels > 0;
  const QueuePolicy& policy = model.settings.window.default_policy;
  const bool delays =
      model.settings.batching && policy.timeout_action == TimeoutAction::kDelay;
  if (policies.dispatch != "fifo" || !one_order || levels || delays || request.starts > 0) return;
  Expect(request.sequence > model.last_started, "fifo overtaken by " + Name(member));
  model.last_started = request.sequence;
}

std::int32_t Checker::FreeSlots() const {
  std::int32_t taken = 0;
  for (const auto& [id, run] : runs_) {
    if (run.chain == 0) taken += run.start.cores;
  }
  for (const auto& [chain, slot] : chain_slot_) taken += slot >= 0 ? 1 : 0;
  return settings_.slots - taken;
}

void Checker::CheckSlots(const StartRun& start) {
  if (start.where == Where::kWorker) {
    Expect(start.cores <= FreeSlots(), "more slots given than there are");
  } else if (chain_slot_.contains(crank_)) {
    ++inline_starts_;
    Expect(chain_slot_[crank_] == start.slot, "a chain changes its slot");
    return;
  } else {
    ++inline_starts_;
    const auto beyond =
        std::ranges::count_if(chain_slot_, [](auto& chain) { return chain.second < 0; });
    Expect(start.slot >= 0 ? FreeSlots() >= 1 : beyond < settings_.inline_beyond_slots_max,
           "more chains than allowed");
    chain_slot_[crank_] = start.slot;
  }
  if (start.slot < 0) return;
  for (const auto& [id, run] : runs_) Expect(run.start.slot != start.slot, "slot taken twice");
}

void Checker::CheckEnd(RequestId id, End end, bool by_reject) {
  Digest(ToIndex(id));
  Digest(static_cast<std::uint64_t>(end));
  const auto found = requests_.find(id);
  if (found == requests_.end()) return Expect(false, "end of unknown " + Name(id));
  Expect(!found->second.ended, "second end of " + Name(id));
  Expect(!found->second.running, "end of " + Name(id) + " while it runs");
  Expect(by_reject == (end == End::kRejected || end == End::kExpired), "wrong kind of end");
  if (end == End::kReplied || end == End::kFailed) {
    Expect(found->second.starts > 0, "reply without a run for " + Name(id));
  }
  found->second.ended = true;
  ++ends_[end];
}

void Checker::CheckIdle() {
  bool waiting = false;
  bool may_be_held = settings_.node.policies.batching != "none";
  for (const auto& [id, request] : requests_) {
    if (request.ended || request.running) continue;
    waiting = true;
    const ModelSettings& model = models_[request.arrived.model].settings;
    const bool keeps_order = model.batching && model.window.preserve_ordering;
    may_be_held = may_be_held || model.cores > 1 || keeps_order;
  }
  if (!waiting) return;
  Expect(!runs_.empty() || wake_.has_value(), "all idle while work waits");
  if (!may_be_held) Expect(FreeSlots() == 0, "a free slot while work waits");
}

void Checker::Finish(const EndCounts& counts) {
  Expect(requests_.empty(), std::to_string(requests_.size()) + " requests without end");
  Expect(runs_.empty(), "runs without end");
  Expect(counts.accepted == accepted_, "count of arrivals");
  Expect(counts.replied == ends_[End::kReplied], "count of replies");
  Expect(counts.rejected == ends_[End::kRejected], "count of rejections");
  Expect(counts.expired == ends_[End::kExpired], "count of expiries");
  Expect(counts.cancelled == ends_[End::kCancelled], "count of cancellations");
  Expect(counts.failed == ends_[End::kFailed], "count of failures");
  Expect(drained_ == draining_, "drain not finished");
}

}  // namespace cotenant
