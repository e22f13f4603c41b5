#include "simulation/replay.h"

#include <map>
#include <memory>

#include "base/flat_map.h"
#include "scheduler/event_codec.h"
#include "scheduler/event_log.h"
#include "scheduler/field_archive.h"
#include "simulation/log_text.h"

namespace cotenant {
namespace {

std::uint64_t Digest(std::uint64_t digest, std::string_view bytes) {
  for (char byte : bytes) digest = MixBits(digest ^ static_cast<unsigned char>(byte));
  return digest;
}

class Replaying {
 public:
  explicit Replaying(const ReplayObserver& observer) : observer_(observer) {
    actions_.with_reasons = static_cast<bool>(observer);
  }

  /// False: a difference was found.
  Result<bool> Take(const LogRecord& record) {
    if (record.kind == LogRecord::Kind::kSnapshot) {
      COTENANT_RETURN_IF_ERROR(Begin(record));
      return true;
    }
    if (record.kind == LogRecord::Kind::kModelName) {
      model_names_[record.model] = record.model_name;
      return true;
    }
    if (scheduler_ == nullptr) {
      return AtOffset(record.offset, InvalidArgument("a crank before any snapshot"));
    }
    if (const Status status = scheduler_->CheckEvents(record.now, record.events); !status.ok()) {
      return AtOffset(record.offset, status);
    }
    return Crank(record);
  }
  ReplayResult Finish(std::size_t torn_bytes) {
    result_.torn_bytes = torn_bytes;
    if (scheduler_ != nullptr) result_.ends = scheduler_->Ends();
    return std::move(result_);
  }

 private:
  Status Begin(const LogRecord& record) {
    Result<std::unique_ptr<Scheduler>> restored = Scheduler::Restore(record.state);
    if (!restored.ok()) return AtOffset(record.offset, restored.status());
    scheduler_ = *std::move(restored);
    result_.lost_cranks += record.lost;
    if (record.lost > 0) ++result_.gaps;
    after_gap_ = record.lost > 0;
    return Status();
  }

  bool Crank(const LogRecord& record) {
    scheduler_->Crank(record.now, record.events, actions_);
    bytes_.clear();
    EncodeActions(record.now, actions_, bytes_);
    if (result_.cranks == 0) result_.first = record.now;
    ++result_.cranks;
    result_.last = record.now;
    result_.events += record.events.size();
    result_.actions += actions_.actions.size();
    result_.digest = Digest(result_.digest, bytes_);
    for (const Event& event : record.events) {
      if (std::holds_alternative<Arrived>(event)) ++result_.arrivals;
    }
    if (observer_) {
      observer_({result_.cranks, record.now, record.events, actions_, *scheduler_, model_names_,
                 after_gap_});
    }
    after_gap_ = false;
    if (bytes_ == record.action_bytes) return true;
    result_.difference = {result_.cranks, record.offset,  record.now,
                          record.events,  record.actions, actions_};
    return false;
  }

  const ReplayObserver& observer_;
  std::unique_ptr<Scheduler> scheduler_;
  ActionList actions_;
  std::string bytes_;
  std::map<ModelId, std::string> model_names_;
  ReplayResult result_;
  bool after_gap_ = false;
};

}  // namespace

Result<ReplayResult> Replay(std::string_view log, const ReplayObserver& observer) {
  Result<EventLogReader> reader = EventLogReader::Open(log);
  if (!reader.ok()) return reader.status();
  Replaying replaying(observer);
  LogRecord record;
  for (;;) {
    Result<bool> more = reader->Next(record);
    if (!more.ok()) return more.status();
    if (!*more) break;
    Result<bool> same = replaying.Take(record);
    if (!same.ok()) return same.status();
    if (!*same) return replaying.Finish(0);
  }
  return replaying.Finish(reader->torn_bytes());
}

std::string Describe(const ReplayDifference& difference) {
  const Instant now = difference.now;
  std::string text = "crank " + std::to_string(difference.crank) + " at " +
                     std::to_string(now.nanoseconds()) + " ns (offset " +
                     std::to_string(difference.offset) + " of the log) decides differently\n";
  for (const Event& event : difference.events) text += "  event     " + TextOf(event, now) + "\n";
  for (const Action& action : difference.recorded.actions) {
    text += "  recorded  " + TextOf(action, difference.recorded, now) + "\n";
  }
  for (const Action& action : difference.replayed.actions) {
    text += "  replayed  " + TextOf(action, difference.replayed, now) + "\n";
  }
  return text;
}

}  // namespace cotenant
