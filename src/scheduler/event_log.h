#pragma once

/// The event log: what a brain was told and what it answered, crank by crank, as bytes.
///
/// A head (magic, format version), then records, each with its length before it. A *snapshot* is
/// the complete state before the next crank; every log begins with one, and one follows after
/// cranks that could not be recorded. A *crank* is its time, its events and the actions themselves:
/// they take about a quarter of the bytes, and a difference can then be shown from both sides. A
/// *model's name* stands before the first crank that knows the model's number, and holds until the
/// number gets another one.
/// Pure: bytes in memory, no files. A log whose end is missing is read up to its last whole record.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

class Scheduler;

/// Raised with every change of what the bytes mean; a reader reads its own version only.
inline constexpr std::uint32_t kEventLogVersion = 6;

class EventLogWriter {
 public:
  /// The start of a log.
  static void AppendHead(std::string& out);
  /// The state before the next crank. `lost` cranks before it were not recorded.
  void AppendSnapshot(const Scheduler& scheduler, std::uint64_t lost, std::string& out);
  /// What people call this number from now on. Decides nothing: a replay is the same without it.
  void AppendModelName(ModelId model, std::string_view name, std::string& out);
  /// `now` is the crank's; `actions` is what the brain answered.
  void AppendCrank(Instant now, std::span<const Event> events, const ActionList& actions,
                   std::string& out);

 private:
  static void AppendRecord(std::string_view record, std::string& out);

  std::string record_;  ///< Kept for its room.
  Instant previous_;    ///< The last crank's time: the next one's is stored from there.
};

/// One record, as read. Reused from record to record.
struct LogRecord {
  enum class Kind : unsigned char { kSnapshot, kCrank, kModelName };

  Kind kind = Kind::kSnapshot;
  std::size_t offset = 0;  ///< Of the record in the log.

  // Snapshots.
  std::uint64_t lost = 0;
  std::string_view state;

  // Models' names.
  ModelId model{};
  std::string model_name;

  // Cranks.
  Instant now;
  std::vector<Event> events;
  ActionList actions;
  std::string_view action_bytes;
};

class EventLogReader {
 public:
  /// `log` must outlive the reader. InvalidArgument when it is no log, or of another version.
  static Result<EventLogReader> Open(std::string_view log);

  /// Reads the next record; false at the end. InvalidArgument, naming the offset, for a record that
  /// is there but not sound.
  Result<bool> Next(LogRecord& record);
  /// After the end: bytes of a last record that was not written out whole.
  std::size_t torn_bytes() const { return log_.size() - at_; }

 private:
  explicit EventLogReader(std::string_view log, std::size_t at) : log_(log), at_(at) {}
  std::optional<std::string_view> TakeRecord();

  std::string_view log_;
  std::size_t at_;
  Instant previous_;
};

}  // namespace cotenant
