#include "simulation/simulated_node.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"

namespace cotenant {

SimulatedNode::SimulatedNode(SimulationSettings settings)
    : settings_(std::move(settings)),
      scheduler_(settings_.scheduler),
      device_(settings_.models, settings_.seed),
      random_(~settings_.seed) {
  actions_.with_reasons = settings_.with_reasons;
  COTENANT_CHECK(settings_.models.size() == settings_.model_settings.size());
}

void SimulatedNode::Run() {
  while (!queue_.empty()) {
    now_ = std::max(now_, queue_.next());
    events_.clear();
    // What happens at one instant comes in one turn, or in several, as between threads.
    while (!queue_.empty() && queue_.next() <= now_) {
      events_.push_back(queue_.Take());
      if (WasStopped(events_.back())) events_.pop_back();
      if (random_.Below(4) == 0) break;
    }
    scheduler_.Crank(now_, events_, actions_);
    for (const Observer& observer : observers_) observer(now_, events_, actions_);
    CarryOut(actions_);
  }
}

void SimulatedNode::CarryOut(const ActionList& actions) {
  chain_.clear();
  for (const Action& action : actions.actions) {
    if (const auto* run = std::get_if<StartRun>(&action)) {
      if (run->where == Where::kInline) {
        chain_.push_back(*run);
      } else {
        const Duration takes = device_.RunTime(ToIndex(run->model), run->rows);
        Plan(now_ + takes, EndOf(*run, now_ + takes, takes));
      }
    } else if (const auto* reply = std::get_if<Reply>(&action)) {
      WriteReply(reply->request);
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      WriteReply(reject->request);
    } else if (const auto* load = std::get_if<StartLoad>(&action)) {
      Load(load->model);
    } else if (const auto* unload = std::get_if<StartUnload>(&action)) {
      const Instant done = now_ + Duration::Milliseconds(1);
      Plan(done, Unloaded{done, unload->model, {}});
    } else if (const auto* evict = std::get_if<StartEvict>(&action)) {
      const Instant done = now_ + Duration::Microseconds(500);
      Plan(done, Evicted{done, evict->model, device_.model(ToIndex(evict->model)).size});
    } else if (const auto* stop = std::get_if<StopLoad>(&action)) {
      StopTheLoad(stop->model);
    } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
      Plan(wake->at, Woken{wake->at});
    }
    // A stopped run ends by itself here: stopping late is allowed.
  }
  if (!chain_.empty()) StartInline(chain_);
}

void SimulatedNode::StartInline(std::span<const StartRun> chain) {
  const bool split = random_.Below(1'000) < settings_.split_chains;
  std::vector<std::pair<Instant, Event>> ends;
  Instant end = now_;
  for (const StartRun& run : chain) {
    const Duration takes = device_.RunTime(ToIndex(run.model), run.rows);
    end = end + takes;
    ends.emplace_back(end, EndOf(run, end, takes));
  }
  for (auto& [at, event] : ends) Plan(split ? at : end, std::move(event));
}

Event SimulatedNode::EndOf(const StartRun& run, Instant ends, Duration takes) {
  switch (device_.RunOutcome(ToIndex(run.model))) {
    case DeviceModel::Outcome::kBadContent:
      return RunFailed{ends, run.run, takes, Code::kInvalidArgument, true};
    case DeviceModel::Outcome::kBroken:
      return RunFailed{ends, run.run, takes, Code::kInternal, false};
    case DeviceModel::Outcome::kGood: break;
  }
  return RunFinished{ends, run.run, takes, device_.model(ToIndex(run.model)).peak};
}

void SimulatedNode::WriteReply(RequestId request) {
  const Instant written = now_ + settings_.reply_takes;
  Plan(written, ReplyWritten{written, request});
}

bool SimulatedNode::WasStopped(const Event& event) {
  std::pair<ModelId, Instant> ended;
  if (const auto* loaded = std::get_if<LoadFinished>(&event)) ended = {loaded->model, loaded->at};
  if (const auto* failed = std::get_if<LoadFailed>(&event)) ended = {failed->model, failed->at};
  const auto found = std::ranges::find(stopped_loads_, ended);
  if (ended.second == Instant() || found == stopped_loads_.end()) return false;
  stopped_loads_.erase(found);
  return true;
}

/// As long as it is not nearly done.
void SimulatedNode::StopTheLoad(ModelId model) {
  const Instant stops = now_ + Duration::Microseconds(100);
  const Instant ends = load_ends_[ToIndex(model)];
  if (ends <= stops) return;
  stopped_loads_.emplace_back(model, ends);
  Plan(stops, LoadFailed{stops, model, Code::kCancelled});
}

void SimulatedNode::Load(ModelId model) {
  const Duration takes = device_.model(ToIndex(model)).load;
  const Instant done = now_ + takes;
  if (ToIndex(model) >= load_ends_.size()) load_ends_.resize(ToIndex(model) + 1);
  load_ends_[ToIndex(model)] = done;
  if (device_.LoadFails(ToIndex(model))) {
    Plan(done, LoadFailed{done, model, Code::kInternal});
    return;
  }
  LoadFinished event;
  event.at = done;
  event.model = model;
  event.settings = settings_.model_settings[ToIndex(model)];
  event.ran_for = takes;
  event.mapped = device_.model(ToIndex(model)).size;
  Plan(done, event);
}

}  // namespace cotenant
