#include "server/event_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "scheduler/scheduler.h"
#include "server/worker_pool.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

/// Enough for one write of the disk; less waits for `kWriteDelay`.
constexpr std::size_t kWriteBytes = std::size_t{64} << 10;

std::chrono::nanoseconds Chrono(Duration span) {
  return std::chrono::nanoseconds(span.nanoseconds());
}

Status FileError(const std::string& what, const std::string& path) {
  return FailedPrecondition("--record: cannot " + what + " '" + path +
                            "': " + std::strerror(errno));
}

}  // namespace

EventRecorder::EventRecorder(RecorderOptions options)
    : options_(std::move(options)),
      file_max_(static_cast<std::size_t>(options_.file_max.count())),
      unwritten_max_(static_cast<std::size_t>(options_.unwritten_max.count())) {}

Result<std::unique_ptr<EventRecorder>> EventRecorder::Open(RecorderOptions options,
                                                           const Scheduler& scheduler) {
  std::unique_ptr<EventRecorder> recorder(new EventRecorder(std::move(options)));
  struct stat found {};
  const std::string& path = recorder->options_.path;
  if (stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode)) {
    // Files change their names here; a device must not.
    return FailedPrecondition("--record: '" + path + "' is not a regular file");
  }
  COTENANT_RETURN_IF_ERROR(recorder->OpenFile());
  recorder->unwritten_.reserve(2 * kWriteBytes);
  EventLogWriter::AppendHead(recorder->unwritten_);
  recorder->AppendState(scheduler, 0);
  recorder->file_bytes_ = recorder->state_bytes_ = recorder->unwritten_.size();
  recorder->totals_.bytes = recorder->unwritten_.size();
  recorder->totals_.files = 1;
  recorder->thread_ = std::thread([self = recorder.get()] { self->Loop(); });
  return recorder;
}

EventRecorder::~EventRecorder() {
  if (thread_.joinable()) {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  if (file_ >= 0) close(file_);
}

/// What lies at the path becomes the one file that is kept beside it.
Status EventRecorder::OpenFile() {
  if (file_ >= 0) close(std::exchange(file_, -1));
  struct stat found {};
  const std::string before = options_.path + ".1";
  const bool keeps = stat(options_.path.c_str(), &found) == 0 && found.st_size > 0;
  if (keeps && std::rename(options_.path.c_str(), before.c_str()) != 0) {
    return FileError("rename", options_.path);
  }
  file_ = open(options_.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  return file_ < 0 ? FileError("write", options_.path) : Status();
}

void EventRecorder::AppendState(const Scheduler& scheduler, std::uint64_t lost) {
  const std::size_t before = unwritten_.size();
  writer_.AppendSnapshot(scheduler, lost, unwritten_);
  for (std::size_t i = 0; i < model_names_.size(); ++i) {
    if (model_names_[i].empty()) continue;
    writer_.AppendModelName(static_cast<ModelId>(i), model_names_[i], unwritten_);
  }
  file_bytes_ += unwritten_.size() - before;
  totals_.bytes += unwritten_.size() - before;
}

void EventRecorder::NameModel(ModelId model, const std::string& name) {
  {
    std::lock_guard lock(mutex_);
    if (ToIndex(model) >= model_names_.size()) model_names_.resize(ToIndex(model) + 1);
    model_names_[ToIndex(model)] = name;
    if (paused_) return;  // The state that ends the pause tells it.
    const std::size_t before = unwritten_.size();
    writer_.AppendModelName(model, name, unwritten_);
    file_bytes_ += unwritten_.size() - before;
    totals_.bytes += unwritten_.size() - before;
  }
  changed_.notify_all();
}

void EventRecorder::BeginFile(const Scheduler& scheduler) {
  file_starts_.push_back(unwritten_.size());
  EventLogWriter::AppendHead(unwritten_);
  file_bytes_ = unwritten_.size() - file_starts_.back();
  totals_.bytes += file_bytes_;
  AppendState(scheduler, 0);
  state_bytes_ = file_bytes_;
  ++totals_.files;
}

/// Ends a pause when there is room again. The crank just made is the last one lost.
bool EventRecorder::Resume(const Scheduler& scheduler) {
  ++lost_;
  ++totals_.lost;
  if (totals_.failed || unwritten_.size() + writing_ > unwritten_max_ / 2) return false;
  paused_ = false;
  AppendState(scheduler, std::exchange(lost_, 0));
  return true;
}

void EventRecorder::Add(Instant now, std::span<const Event> events, const ActionList& actions,
                        const Scheduler& scheduler) {
  bool tell = false;
  {
    std::lock_guard lock(mutex_);
    const std::size_t before = unwritten_.size();
    if (paused_) {
      tell = Resume(scheduler);
    } else {
      writer_.AppendCrank(now, events, actions, unwritten_);
      ++totals_.cranks;
      file_bytes_ += unwritten_.size() - before;
      totals_.bytes += unwritten_.size() - before;
      // Small files of a busy node would else be states only.
      const bool worth_it = file_bytes_ - state_bytes_ >= state_bytes_;
      if (file_bytes_ >= file_max_ && worth_it) BeginFile(scheduler);
      if (unwritten_.size() + writing_ >= unwritten_max_) {
        paused_ = true;
        ++totals_.pauses;
      }
      const bool enough = before < kWriteBytes && unwritten_.size() >= kWriteBytes;
      tell = before == 0 || enough || paused_;
    }
  }
  if (tell) changed_.notify_all();
}

void EventRecorder::Flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = totals_.bytes;
  hurry_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, Chrono(kFlushWaitMax), [&] {
    return totals_.failed || totals_.bytes - unwritten_.size() - writing_ >= wanted ||
           (unwritten_.empty() && writing_ == 0);
  });
}

EventRecorder::Totals EventRecorder::totals() const {
  std::lock_guard lock(mutex_);
  return totals_;
}

void EventRecorder::Loop() {
  PrepareThread("recorder", kWorkerNice);
  std::string bytes;
  bytes.reserve(2 * kWriteBytes);
  std::vector<std::size_t> file_starts;
  bool said = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !unwritten_.empty(); });
    changed_.wait_for(lock, Chrono(kWriteDelay), [this] {
      return stop_ || hurry_ || paused_ || unwritten_.size() >= kWriteBytes;
    });
    if (stop_ && unwritten_.empty()) return;
    hurry_ = false;
    bytes.swap(unwritten_);
    file_starts.swap(file_starts_);
    writing_ = bytes.size();
    const bool say = paused_ && !said;
    said = said || paused_;
    lock.unlock();
    if (say) {
      LogWarning("--record: the disk does not keep up; recording pauses, and the log has gaps");
    }
    const Status status = WriteOut(bytes, file_starts);
    if (!status.ok()) LogError(status.message() + "; recording has ended");
    bytes.clear();
    file_starts.clear();
    lock.lock();
    writing_ = 0;
    if (!status.ok()) {
      totals_.failed = paused_ = true;
      unwritten_.clear();
      file_starts_.clear();
    }
    changed_.notify_all();
    if (!status.ok()) return;
  }
}

Status EventRecorder::WriteOut(const std::string& bytes, std::span<const std::size_t> file_starts) {
  std::size_t at = 0;
  for (std::size_t start : file_starts) {
    COTENANT_RETURN_IF_ERROR(Write(std::string_view(bytes).substr(at, start - at)));
    COTENANT_RETURN_IF_ERROR(OpenFile());
    at = start;
  }
  return Write(std::string_view(bytes).substr(at));
}

Status EventRecorder::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("write", options_.path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Status();
}

}  // namespace cotenant
