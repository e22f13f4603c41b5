#include "simulation/recorded_times.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/event_log.h"
#include "scheduler/field_archive.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

/// How much time lies in a set of spans, between any two instants.
class SpanSum {
 public:
  void Add(Instant from, Instant to) {
    if (to > from) spans_.push_back({from, to});
  }
  /// Before asking: after all is added. `merged`: what overlaps counts once.
  void Close(bool merged) {
    std::ranges::sort(spans_);
    if (merged) Merge();
    for (const auto& [from, to] : spans_) {
      starts_.push_back(from.nanoseconds());
      ends_.push_back(to.nanoseconds());
    }
    std::ranges::sort(ends_);
    SumUp(starts_, start_sums_);
    SumUp(ends_, end_sums_);
  }
  Duration Between(Instant from, Instant to) const { return Until(to) - Until(from); }

 private:
  __extension__ using Wide = __int128;

  void Merge() {
    std::vector<std::pair<Instant, Instant>> merged;
    for (const auto& span : spans_) {
      if (!merged.empty() && span.first <= merged.back().second) {
        merged.back().second = std::max(merged.back().second, span.second);
      } else {
        merged.push_back(span);
      }
    }
    spans_ = std::move(merged);
  }
  static void SumUp(const std::vector<std::int64_t>& times, std::vector<Wide>& sums) {
    sums.assign(1, 0);
    for (const std::int64_t time : times) sums.push_back(sums.back() + time);
  }
  /// Time since each of those before `time`.
  static Wide Since(const std::vector<std::int64_t>& times, const std::vector<Wide>& sums,
                    std::int64_t time) {
    const auto before = std::ranges::lower_bound(times, time) - times.begin();
    return static_cast<Wide>(time) * before - sums[static_cast<std::size_t>(before)];
  }
  Duration Until(Instant time) const {
    const std::int64_t at = time.nanoseconds();
    return Duration::Nanoseconds(
        static_cast<std::int64_t>(Since(starts_, start_sums_, at) - Since(ends_, end_sums_, at)));
  }

  std::vector<std::pair<Instant, Instant>> spans_;
  std::vector<std::int64_t> starts_;
  std::vector<std::int64_t> ends_;
  std::vector<Wide> start_sums_;
  std::vector<Wide> end_sums_;
};

/// One log, crank after crank.
class LogTimes {
 public:
  explicit LogTimes(RecordedTimes& times) : times_(times) {}

  Status Read(std::string_view log) {
    Result<EventLogReader> reader = EventLogReader::Open(log);
    COTENANT_RETURN_IF_ERROR(reader.status());
    LogRecord record;
    for (;;) {
      const Result<bool> more = reader->Next(record);
      COTENANT_RETURN_IF_ERROR(more.status());
      if (!*more) break;
      COTENANT_RETURN_IF_ERROR(Take(record));
    }
    Sort();
    return Status();
  }

 private:
  struct Started {
    ModelId model{};
    std::int32_t rows = 1;
    Instant decided;
    bool on_worker = false;
    bool handed_over = false;  ///< To a worker that slept.
    std::vector<RequestId> members;
  };
  struct Ran {
    RecordedTimes::Model* model = nullptr;
    std::int32_t rows = 1;
    bool on_worker = false;
    Instant start;
    Instant end;
    Bytes peak;
  };

  Status Take(const LogRecord& record) {
    switch (record.kind) {
      case LogRecord::Kind::kSnapshot: return Begin(record);
      case LogRecord::Kind::kModelName:
        names_[record.model] = &times_.models[record.model_name];
        return Status();
      case LogRecord::Kind::kCrank: break;
    }
    bool run_ended = false;
    for (const Event& event : record.events) {
      if (const auto* arrived = std::get_if<Arrived>(&event)) {
        own_work_.Add(arrived->at, record.now);
        // Those that came in one turn were read one after another, and decided together.
        if (record.events.size() == 1) times_.read.Add(record.now - arrived->at);
      } else if (const auto* finished = std::get_if<RunFinished>(&event)) {
        run_ended = End(*finished) || run_ended;
      } else if (const auto* failed = std::get_if<RunFailed>(&event)) {
        run_ended = started_.erase(failed->run) > 0 || run_ended;
      } else if (const auto* written = std::get_if<ReplyWritten>(&event)) {
        Written(*written);
      } else if (const auto* loaded = std::get_if<LoadFinished>(&event)) {
        Loaded(*loaded);
      }
    }
    for (const Action& action : record.actions.actions) {
      const auto* start = std::get_if<StartRun>(&action);
      if (start == nullptr) continue;
      Started& run = started_[start->run];
      const auto members = record.actions.MembersOf(*start);
      run = {start->model, start->rows,
             record.now,   start->where == Where::kWorker,
             false,        {members.begin(), members.end()}};
      run.handed_over = run.on_worker && !run_ended;
    }
    return Status();
  }

  Status Begin(const LogRecord& record) {
    const Result<std::unique_ptr<Scheduler>> state = Scheduler::Restore(record.state);
    if (!state.ok()) return AtOffset(record.offset, state.status());
    slots_ = (*state)->Settings().slots;
    times_.slots = std::max(times_.slots, slots_);
    if (record.lost > 0) {
      started_.clear();
      replied_.clear();
    }
    return Status();
  }

  RecordedTimes::Model* Named(ModelId model) {
    const auto found = names_.find(model);
    return found == names_.end() ? nullptr : found->second;
  }

  bool End(const RunFinished& event) {
    const auto found = started_.find(event.run);
    if (found == started_.end()) return false;  // It began before the log did.
    const Started& run = found->second;
    const Instant start = event.at - event.ran_for;
    if (run.handed_over && start >= run.decided) times_.hand_over.Add(start - run.decided);
    if (RecordedTimes::Model* model = Named(run.model)) {
      ran_.push_back({model, run.rows, run.on_worker, start, event.at, event.peak});
    }
    running_.Add(start, event.at);
    for (const RequestId member : run.members) replied_[member] = {event.at, run.members.size()};
    const bool on_worker = run.on_worker;
    started_.erase(found);
    return on_worker;
  }

  void Written(const ReplyWritten& event) {
    const auto found = replied_.find(event.request);
    if (found == replied_.end()) return;
    const auto [ended, members] = found->second;
    replied_.erase(found);
    if (event.at < ended) return;
    own_work_.Add(ended, event.at);
    // The members of one run are answered one after another.
    if (members == 1) times_.reply.Add(event.at - ended);
  }

  void Loaded(const LoadFinished& event) {
    RecordedTimes::Model* const model = Named(event.model);
    if (model == nullptr) return;
    model->loads.Add(event.ran_for);
    model->mapped = event.mapped;
    model->anonymous = event.anonymous;
  }

  /// What was alone, what beside, and how long it took by itself.
  void Sort() {
    own_work_.Close(true);
    running_.Close(false);
    for (const Ran& ran : ran_) {
      const Duration took = ran.end - ran.start;
      RecordedTimes::Runs& runs = ran.model->runs[ran.rows];
      runs.peak = std::max(runs.peak, ran.peak);
      ++times_.runs;
      if (!ran.on_worker) {  // The thread that reads and replies runs it itself.
        runs.alone.Add(took);
        continue;
      }
      const Duration others = running_.Between(ran.start, ran.end) - took;
      const Duration all = took * (slots_ - 1);
      const Duration own_work = own_work_.Between(ran.start, ran.end);
      if (slots_ == 1) {
        runs.alone.Add(took - std::min(own_work, took));
      } else if (others * 10 >= all * 9) {
        // A busy CPU is taken from each of the runs in turn.
        runs.beside.Add(took - std::min(own_work / slots_, took));
      } else if (others * 10 <= all) {
        runs.alone.Add(took);
      }
    }
  }

  RecordedTimes& times_;
  std::int32_t slots_ = 1;
  std::map<ModelId, RecordedTimes::Model*> names_;
  std::map<RunId, Started> started_;
  /// Requests whose run has ended: when, and how many were in it.
  std::map<RequestId, std::pair<Instant, std::size_t>> replied_;
  std::vector<Ran> ran_;
  SpanSum own_work_;
  SpanSum running_;
};

void Refine(const TimeSamples& seen, TimeDistribution& kept) {
  if (seen.count() >= kRefiningSamplesMin || (kept.empty() && !seen.empty())) {
    kept = seen.Distribution();
  }
}

}  // namespace

Result<RecordedTimes> ReadRecordedTimes(std::span<const std::string_view> logs) {
  RecordedTimes times;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const Status status = LogTimes(times).Read(logs[i]);
    if (!status.ok()) {
      return InvalidArgument("log " + std::to_string(i + 1) + ": " + status.message());
    }
  }
  return times;
}

ModelProfile Refined(const RecordedTimes::Model& seen, ModelProfile kept) {
  for (const auto& [rows, runs] : seen.runs) {
    auto place = std::ranges::lower_bound(kept.runs, rows, {}, &RunTimes::rows);
    if (place == kept.runs.end() || place->rows != rows) {
      if (runs.alone.empty() && runs.beside.empty()) continue;
      place = kept.runs.insert(place, RunTimes{rows, {}, {}, {}});
    }
    Refine(runs.alone, place->alone);
    Refine(runs.beside, place->beside);
    // A node that was never idle has seen none alone.
    if (place->alone.empty()) place->alone = place->beside;
    place->peak = std::max(place->peak, runs.peak);
  }
  const bool sized = kept.mapped + kept.anonymous > Bytes();
  if (seen.loads.count() >= kRefiningLoadsMin || (kept.load.empty() && !seen.loads.empty())) {
    kept.load = seen.loads.Distribution();
  }
  // As measured is better: what a load leaves in a heap that others use is not told exactly.
  if (!sized) kept.mapped = seen.mapped;
  if (!sized) kept.anonymous = seen.anonymous;
  return kept;
}

NodeCosts Refined(const RecordedTimes& seen, NodeCosts kept) {
  Refine(seen.read, kept.read);
  Refine(seen.hand_over, kept.hand_over);
  Refine(seen.reply, kept.reply);
  return kept;
}

}  // namespace cotenant
