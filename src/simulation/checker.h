#pragma once

/// Watches events and actions and says what the brain did wrong, whatever the policies.
///
/// Keeps its own, deliberately simple account of requests, runs and slots; knows nothing of the
/// brain's inside.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "scheduler/scheduler.h"

namespace cotenant {

class Checker {
 public:
  explicit Checker(const SchedulerSettings& settings) : settings_(settings) {}

  void Crank(Instant now, std::span<const Event> events, const ActionList& actions);
  /// After the last crank: has everything ended, and do the brain's own counts agree?
  void Finish(const EndCounts& counts);

  /// Empty when all was well.
  const std::vector<std::string>& violations() const { return violations_; }
  /// Over all actions in order: equal for equal decisions.
  std::uint64_t digest() const { return digest_; }
  std::uint64_t starts() const { return starts_; }
  std::uint64_t batched() const { return batched_; }  ///< Runs with several members.
  std::uint64_t inline_starts() const { return inline_starts_; }

 private:
  struct Request {
    Arrived arrived;
    std::uint64_t sequence = 0;
    bool running = false;
    bool ended = false;
    std::uint32_t starts = 0;
  };
  struct Run {
    StartRun start;
    std::vector<RequestId> members;
    std::uint64_t chain = 0;  ///< Not zero: inline, of that crank.
    bool stopped = false;
  };
  struct Model {
    bool wanted = false;
    bool loading = false;
    bool ready = false;
    bool leaving = false;
    bool unloading = false;
    ModelSettings settings;
    std::uint64_t last_started = 0;
  };

  void Take(const Event& event);
  void EndRun(RunId run);
  void Check(const Action& action, const ActionList& actions);
  void CheckRun(const StartRun& start, const ActionList& actions);
  void CheckMember(const StartRun& start, RequestId member, std::uint64_t key);
  void CheckOrder(const StartRun& start, RequestId member);
  void CheckSlots(const StartRun& start);
  void CheckEnd(RequestId request, End end, bool by_reject);
  void CheckIdle();
  void Expect(bool holds, const std::string& what);
  void Digest(std::uint64_t value);
  std::int32_t FreeSlots() const;

  SchedulerSettings settings_;
  Instant now_;
  std::uint64_t sequence_ = 0;
  std::uint64_t crank_ = 0;
  std::map<RequestId, Request> requests_;  ///< Until written.
  std::map<RunId, Run> runs_;
  std::map<ModelId, Model> models_;
  std::map<std::uint64_t, std::int32_t> chain_slot_;  ///< Of living chains, by crank.
  std::map<End, std::uint64_t> ends_;
  std::uint64_t accepted_ = 0;
  std::optional<Instant> wake_;
  bool draining_ = false;
  bool drained_ = false;
  std::uint64_t digest_ = 0xcbf29ce484222325ULL;
  std::uint64_t starts_ = 0;
  std::uint64_t batched_ = 0;
  std::uint64_t inline_starts_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace cotenant
