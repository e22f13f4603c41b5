#pragma once

/// What was learnt of each model's requests, in a file, so that a server that is started again
/// foresees as the one before did.
///
/// Replaced as a whole: a temporary file, flushed to the disk, then renamed. Times are kept against
/// the wall clock, because the monotonic one begins anew with the machine. Any thread; reading and
/// writing block on the disk.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "policy/arrival_history.h"

namespace cotenant {

/// One moment by both clocks.
struct TwoClocks {
  Instant monotonic;
  std::int64_t wall_nanoseconds = 0;
};
TwoClocks ReadClocks();

/// Of a server's own, among those of others: by the folders of its models.
std::string HistoryFileName(std::span<const std::filesystem::path> repositories);

class HistoryFile {
 public:
  /// A model's name and its version.
  using Key = std::pair<std::string, std::int64_t>;
  using Histories = std::map<Key, ArrivalHistory>;

  /// Empty: nothing is kept.
  explicit HistoryFile(std::filesystem::path path) : path_(std::move(path)) {}

  bool on() const { return !path_.empty(); }
  /// Reads it, if it is there. A file that is damaged, or another program's, is an error that names
  /// it; nothing is known then.
  Status Read(TwoClocks now);
  /// Null: nothing is known.
  std::shared_ptr<const ArrivalHistory> Find(const std::string& model, std::int64_t version) const;
  /// What is known of other models is kept.
  Status Write(const Histories& histories, TwoClocks now);

 private:
  const std::filesystem::path path_;
  mutable std::mutex mutex_;
  Histories known_;
};

}  // namespace cotenant
