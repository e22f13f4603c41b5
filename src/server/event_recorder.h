#pragma once

/// Writes the event log of `serve --record LOG`, so that a replay decides as the live brain did.
///
/// `Add` is called under the brain's lock and only appends to memory; a thread of the recorder's
/// own writes it out, within `kWriteDelay` or when enough has come together. When LOG has reached
/// its size, it becomes LOG.1 and a new LOG begins with the brain's complete state, so that each
/// file replays by itself and there are never more than two. When the disk does not keep up,
/// recording pauses, and goes on with the state once half of the memory is written: the log then
/// has a gap, which it tells, and serving never waits. A file that cannot be written any more ends
/// the recording. Both are said once in the program's log.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "scheduler/event_log.h"

namespace cotenant {

struct RecorderOptions {
  std::string path;  ///< Empty: nothing is recorded, and there is no thread.
  /// Of one file; raise it for a longer past. A file is larger only where the state alone is.
  Bytes file_max = Bytes::MiB(64);
  /// Recorded and not yet written. Raise it for disks that stall for long.
  Bytes unwritten_max = Bytes::MiB(16);
};

class EventRecorder {
 public:
  /// What is added lies in the file after this time at the latest, if the disk can take it.
  static constexpr Duration kWriteDelay = Duration::Milliseconds(500);
  /// Longest wait of `Flush`. Raise it for disks that stall for longer.
  static constexpr Duration kFlushWaitMax = Duration::Seconds(2);

  struct Totals {
    std::uint64_t cranks = 0;  ///< Recorded.
    std::uint64_t lost = 0;    ///< Not recorded, in pauses or after a failure.
    std::uint64_t bytes = 0;   ///< Recorded, the states at the starts of files included.
    std::uint64_t files = 0;
    std::uint64_t pauses = 0;
    bool failed = false;
  };

  /// Begins a log with the brain's state as it is. A LOG of an earlier time is kept as LOG.1.
  /// Fails when the file cannot be written; names it.
  static Result<std::unique_ptr<EventRecorder>> Open(RecorderOptions options,
                                                     const Scheduler& scheduler);
  /// Writes out what is left.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  /// What a model's number stands for, before the first crank that has it. Does not block.
  void NameModel(ModelId model, const std::string& name);
  /// After every crank, one at a time. `scheduler` is as the crank left it. Does not block.
  void Add(Instant now, std::span<const Event> events, const ActionList& actions,
           const Scheduler& scheduler);
  /// Blocks until what was added is in the file, or could not be written in time. Any thread.
  void Flush();
  Totals totals() const;

 private:
  explicit EventRecorder(RecorderOptions options);

  Status OpenFile();
  void BeginFile(const Scheduler& scheduler);
  void AppendState(const Scheduler& scheduler, std::uint64_t lost);
  bool Resume(const Scheduler& scheduler);
  void Loop();
  Status WriteOut(const std::string& bytes, std::span<const std::size_t> file_starts);
  Status Write(std::string_view bytes);

  const RecorderOptions options_;
  const std::size_t file_max_;
  const std::size_t unwritten_max_;
  int file_ = -1;  ///< Of the recorder's thread, once it runs.

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  EventLogWriter writer_;
  std::string unwritten_;
  std::vector<std::size_t> file_starts_;  ///< Where in `unwritten_` a new file begins.
  std::vector<std::string> model_names_;  ///< By ModelId: every file tells them.
  std::size_t writing_ = 0;               ///< Bytes in the thread's hands.
  std::size_t file_bytes_ = 0;            ///< Of the file in progress.
  std::size_t state_bytes_ = 0;           ///< Of them, the state at its start.
  std::uint64_t lost_ = 0;                ///< In this pause.
  bool paused_ = false;
  bool hurry_ = false;
  bool stop_ = false;
  Totals totals_;
  std::thread thread_;
};

}  // namespace cotenant
