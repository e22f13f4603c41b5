#pragma once

/// The life of one request, from what a brain was told and what it answered: arrival, admission,
/// what it waited behind, its run, its reply.
///
/// Fed with every crank in order, of a live log or of a simulation; the cranks must carry their
/// reasons (`ActionList::with_reasons`). Keeps what concerns the request, and the runs under way.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/actions.h"
#include "scheduler/decision_text.h"
#include "scheduler/events.h"

namespace cotenant {

struct StoryLine {
  Duration after;  ///< Since the request's arrival; waits of its queue may have begun before.
  std::string text;
  std::optional<Decision> decision;  ///< What the line tells, where it was decided.
};

class Story {
 public:
  explicit Story(RequestId request, DecisionNames names = {})
      : request_(request), names_(std::move(names)) {}

  void Crank(Instant now, std::span<const Event> events, const ActionList& actions);

  /// Did the request arrive in these cranks?
  bool found() const { return arrived_.has_value(); }
  const std::vector<StoryLine>& lines() const { return lines_; }

 private:
  void Take(Instant now, const Event& event);
  void Tell(Instant at, std::string text) {
    lines_.push_back({at - arrived_->at, std::move(text), {}});
  }
  void TellEnd(Instant ended, bool failed, Duration ran_for);
  void Decide(Instant now, const Decision& decision);
  void TellWaits(Instant now);
  std::string ModelName(ModelId model) const;

  RequestId request_;
  DecisionNames names_;
  std::optional<Arrived> arrived_;
  Duration bound_;
  bool waiting_ = false;
  bool over_ = false;
  std::optional<RunId> run_;
  std::map<RunId, ModelId> under_way_;
  std::map<ModelId, std::uint64_t> began_before_;  ///< Runs, while it waited.
  std::optional<StartDecision> started_;           ///< The last run that began, for who joins it.
  std::optional<HoldDecision> held_;               ///< Told already, for this reason.
  std::vector<StoryLine> lines_;
};

}  // namespace cotenant
