#pragma once

/// For tests of the brain: events by hand, actions as short lines of text.
///
/// Times are microseconds since the start of the script.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/scheduler.h"

namespace cotenant {

inline Duration Us(std::int64_t n) { return Duration::Microseconds(n); }
inline Instant At(std::int64_t us) { return Instant() + Us(us); }

template <typename Id>
std::string Number(Id id) {
  return std::to_string(ToIndex(id));
}

/// "run 0 model 1 [3,4] worker slot 0", "reply 3 replied", "reject 4 not_feasible 57 us" …
inline std::string Line(const Action& action, const ActionList& list) {
  struct Visitor {
    const ActionList& list;
    std::string operator()(const StartRun& run) const {
      std::string text = "run " + Number(run.run) + " model " + Number(run.model) + " [";
      for (RequestId member : list.MembersOf(run)) {
        if (text.back() != '[') text += ',';
        text += Number(member);
      }
      text += run.where == Where::kInline ? "] inline slot " : "] worker slot ";
      text += std::to_string(run.slot);
      if (run.cores > 1) text += " cores " + std::to_string(run.cores);
      return text;
    }
    std::string operator()(const StopRun& run) const { return "stop " + Number(run.run); }
    std::string operator()(const Reply& reply) const {
      return "reply " + Number(reply.request) + " " + std::string(EndName(reply.end)) +
             (reply.cold ? " cold" : "");
    }
    std::string operator()(const Reject& reject) const {
      std::string text =
          "reject " + Number(reject.request) + " " + std::string(RejectReasonName(reject.reason));
      if (reject.earliest_bound > Duration()) {
        text += " " + std::to_string(reject.earliest_bound.microseconds()) + " us";
      }
      return text;
    }
    std::string operator()(const StartLoad& load) const { return "load " + Number(load.model); }
    std::string operator()(const StartUnload& load) const { return "unload " + Number(load.model); }
    std::string operator()(const StartEvict& evict) const { return "evict " + Number(evict.model); }
    std::string operator()(const StopLoad& stop) const { return "stop load " + Number(stop.model); }
    std::string operator()(const WakeAt& wake) const {
      return "wake " + std::to_string(wake.at.nanoseconds() / 1'000);
    }
    std::string operator()(const Drained&) const { return "drained"; }
  };
  return std::visit(Visitor{list}, action);
}

/// A brain that is cranked one event, or several, at a time.
class Script {
 public:
  using Lines = std::vector<std::string>;

  explicit Script(SchedulerSettings settings = {}) : scheduler(std::move(settings)) {}

  Lines Crank(std::int64_t us, const std::vector<Event>& events) {
    now = At(us);
    scheduler.Crank(now, events, actions);
    Lines lines;
    for (const Action& action : actions.actions) lines.push_back(Line(action, actions));
    return lines;
  }
  Lines Wake(std::int64_t us) { return Crank(us, {Woken{At(us)}}); }

  /// Loads a model, and teaches it a run time when `runs_for` is not zero.
  void Load(std::uint32_t model, ModelSettings settings = {}, Duration runs_for = {},
            std::int32_t rows = 1) {
    const std::int64_t us = now.nanoseconds() / 1'000;
    Crank(us, {LoadWanted{now, ModelId{model}}});
    std::vector<Event> events;
    // Twice: the first run of a network does not count for long.
    if (runs_for > Duration()) events.assign(2, WarmedUp{now, ModelId{model}, rows, runs_for});
    events.push_back(LoadFinished{now, ModelId{model}, std::move(settings), {}, {}, {}});
    Crank(us, events);
  }
  /// An arrival at this very time.
  Arrived Arrive(std::int64_t us, std::uint64_t request, std::uint32_t model,
                 Duration bound = {}) const {
    Arrived event;
    event.at = At(us);
    event.request = RequestId{request};
    event.model = ModelId{model};
    event.bounds.latency = bound;
    return event;
  }
  RunFinished Finish(std::int64_t us, std::uint64_t run, Duration ran_for) const {
    return {At(us), RunId{run}, ran_for, {}};
  }

  Scheduler scheduler;
  ActionList actions;
  Instant now;
};

}  // namespace cotenant
