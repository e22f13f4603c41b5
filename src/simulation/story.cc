#include "simulation/story.h"

#include <utility>

namespace cotenant {
namespace {

std::string Runs(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " run" : " runs");
}

}  // namespace

std::string Story::ModelName(ModelId model) const {
  return names_.model ? names_.model(model) : "model " + std::to_string(ToIndex(model));
}

void Story::Crank(Instant now, std::span<const Event> events, const ActionList& actions) {
  for (const Event& event : events) Take(now, event);
  for (const Decision& decision : actions.decisions) Decide(now, decision);
  for (const Action& action : actions.actions) {
    if (const auto* start = std::get_if<StartRun>(&action)) under_way_[start->run] = start->model;
    if (!arrived_ || over_) continue;
    const auto* reply = std::get_if<Reply>(&action);
    if (reply != nullptr && reply->request == request_ && reply->end == End::kReplied) {
      Tell(now, "its reply is on its way");
    }
  }
}

void Story::Take(Instant now, const Event& event) {
  if (const auto* arrived = std::get_if<Arrived>(&event)) {
    if (arrived->request != request_) return;
    Story again(request_, std::move(names_));  // A number may be used again: the last one counts.
    again.under_way_ = std::move(under_way_);
    *this = std::move(again);
    arrived_ = *arrived;
    std::string text = "it arrives";
    if (now > arrived->at) text += ", and is read " + SpanText(now - arrived->at) + " later";
    if (!under_way_.empty()) {
      std::map<ModelId, std::uint64_t> busy;
      for (const auto& [run, model] : under_way_) ++busy[model];
      text += "; under way:";
      const char* separator = " ";
      for (const auto& [model, count] : busy) {
        text += separator + Runs(count) + " of " + ModelName(model);
        separator = ", ";
      }
    }
    Tell(arrived->at, text);
    return;
  }
  const auto ended = [&](RunId run, Instant at, bool failed, Duration ran_for) {
    under_way_.erase(run);
    if (arrived_ && !over_ && run_ == run) TellEnd(at, failed, ran_for);
  };
  if (const auto* finished = std::get_if<RunFinished>(&event)) {
    ended(finished->run, finished->at, false, finished->ran_for);
  } else if (const auto* failed = std::get_if<RunFailed>(&event)) {
    ended(failed->run, failed->at, true, failed->ran_for);
  } else if (const auto* written = std::get_if<ReplyWritten>(&event)) {
    if (!arrived_ || over_ || written->request != request_) return;
    const Duration took = written->at - arrived_->at;
    std::string text = "its answer is written";
    if (bound_ > Duration()) {
      text += took <= bound_ ? ", within its bound of " : ", past its bound of ";
      text += SpanText(bound_);
    }
    Tell(written->at, text);
    over_ = true;
  }
}

void Story::TellEnd(Instant ended, bool failed, Duration ran_for) {
  Tell(ended,
       std::string("its run ") + (failed ? "fails" : "ends") + " after " + SpanText(ran_for));
}

void Story::TellWaits(Instant now) {
  waiting_ = false;
  held_.reset();
  if (began_before_.empty()) return;
  std::string text = "while it waited, others began:";
  const char* separator = " ";
  for (const auto& [model, count] : began_before_) {
    text += separator + Runs(count) + " of " + ModelName(model);
    separator = ", ";
  }
  Tell(now, text);
  began_before_.clear();
}

void Story::Decide(Instant now, const Decision& decision) {
  if (!arrived_ || over_) return;
  const auto* start = std::get_if<StartDecision>(&decision);
  if (start != nullptr) started_ = *start;
  if (const auto* join = std::get_if<JoinDecision>(&decision)) {
    if (join->request != request_) return;
    // The start was told before its members: it is the last that was counted.
    run_ = join->run;
    const auto counted = began_before_.find(arrived_->model);
    if (counted != began_before_.end() && --counted->second == 0) began_before_.erase(counted);
    TellWaits(now);
    if (started_ && started_->run == join->run) {
      lines_.push_back({now - arrived_->at, DecisionText(*started_, names_), *started_});
    }
  } else if (const auto* hold = std::get_if<HoldDecision>(&decision)) {
    const bool news = !held_ || held_->reason != hold->reason || held_->rows != hold->rows;
    if (!waiting_ || hold->model != arrived_->model || !news) return;
    held_ = *hold;
  } else if (const auto* load = std::get_if<LoadDecision>(&decision)) {
    if (!waiting_ || load->model != arrived_->model) return;
  } else if (const auto* evict = std::get_if<EvictDecision>(&decision)) {
    const bool concerns = evict->model == arrived_->model || evict->asked == arrived_->model;
    if (!waiting_ || !concerns) return;
  } else if (!IsAbout(decision, request_)) {
    if (waiting_ && start != nullptr) ++began_before_[start->model];
    return;
  }
  if (const auto* admission = std::get_if<AdmissionDecision>(&decision)) {
    bound_ = admission->bound;
    waiting_ = !admission->refused;
  } else if (start != nullptr) {
    run_ = start->run;
    TellWaits(now);
  } else if (std::holds_alternative<RerunDecision>(decision)) {
    waiting_ = true;
  } else if (std::holds_alternative<EndDecision>(decision)) {
    TellWaits(now);
  }
  lines_.push_back({now - arrived_->at, DecisionText(decision, names_), decision});
}

}  // namespace cotenant
