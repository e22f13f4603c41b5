#include "server/history_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "scheduler/field_archive.h"
#include "scheduler/history_fields.h"
#include "server/clock.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "cotenant arrivals 1\n";
constexpr std::size_t kHashSize = 8;
/// More models than anybody serves; those beyond are forgotten.
constexpr std::size_t kModelsMax = 10'000;
constexpr std::size_t kFileMax = std::size_t{64} << 20;

/// FNV-1a: against damage, not against forgers.
std::uint64_t HashOf(std::string_view bytes) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1'099'511'628'211U;
  }
  return hash;
}

std::string HashText(std::string_view bytes) {
  const std::uint64_t hash = HashOf(bytes);
  std::string text(kHashSize, '\0');
  std::memcpy(text.data(), &hash, kHashSize);
  return text;
}

/// To this server's clock. The wall clock may have been set meanwhile.
void Shift(ArrivalHistory& history, Duration by, Instant now) {
  history.last = std::clamp(history.last + by, Instant(), now);
  history.first = std::clamp(history.first + by, Instant(), history.last);
}

Status Failed(const fs::path& path, const char* what) {
  return Internal("'" + path.string() + "': " + what + ": " + std::strerror(errno));
}

Status WriteWhole(const fs::path& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Failed(path, "cannot be written");
  Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno != EINTR) status = Failed(path, "cannot be written");
    if (put > 0) bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  if (status.ok() && fsync(file) != 0) status = Failed(path, "cannot be written");
  close(file);
  return status;
}

}  // namespace

TwoClocks ReadClocks() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {MonotonicNow(), std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count()};
}

std::string HistoryFileName(std::span<const fs::path> repositories) {
  std::string folders;
  for (const fs::path& repository : repositories) {
    std::error_code error;
    const fs::path whole = fs::weakly_canonical(repository, error);
    folders += (error ? repository : whole).string() + '\n';
  }
  std::string name = "arrivals-";
  for (std::uint64_t hash = HashOf(folders); name.size() < 25; hash <<= 4) {
    name += "0123456789abcdef"[hash >> 60];
  }
  return name;
}

Status HistoryFile::Read(TwoClocks now) {
  if (!on()) return Status();
  std::ifstream stream(path_, std::ios::binary);
  if (!stream) return Status();
  std::ostringstream read;
  read << stream.rdbuf();
  const std::string bytes = std::move(read).str();
  const auto damaged = [&] {
    return InvalidArgument("'" + path_.string() +
                           "' holds no arrivals of this program, or is damaged");
  };
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + kHashSize ||
      bytes.size() > kFileMax) {
    return damaged();
  }
  const std::string_view hashed(bytes.data(), bytes.size() - kHashSize);
  if (bytes.substr(hashed.size()) != HashText(hashed)) return damaged();
  FieldReader reader(hashed.substr(kMagic.size()));
  TwoClocks saved;
  std::uint64_t count = 0;
  reader(saved.monotonic, saved.wall_nanoseconds, count);
  const Duration away = Duration::Nanoseconds(now.wall_nanoseconds - saved.wall_nanoseconds);
  const Duration by = (now.monotonic - saved.monotonic) - away;
  Histories histories;
  for (; count > 0 && reader.ok(); --count) {
    Key key;
    ArrivalHistory history;
    reader(key.first, key.second);
    VisitHistory(reader, history);
    if (!reader.ok() || !SoundHistory(history, saved.monotonic)) return damaged();
    Shift(history, by, now.monotonic);
    histories.emplace(std::move(key), history);
  }
  if (!reader.ok()) return damaged();
  std::lock_guard lock(mutex_);
  known_ = std::move(histories);
  return Status();
}

std::shared_ptr<const ArrivalHistory> HistoryFile::Find(const std::string& model,
                                                        std::int64_t version) const {
  std::lock_guard lock(mutex_);
  const auto found = known_.find({model, version});
  return found == known_.end() ? nullptr : std::make_shared<ArrivalHistory>(found->second);
}

Status HistoryFile::Write(const Histories& histories, TwoClocks now) {
  if (!on() || histories.empty()) return Status();
  std::lock_guard lock(mutex_);
  for (const auto& [key, history] : histories) {
    if (known_.size() < kModelsMax || known_.contains(key)) known_[key] = history;
  }
  std::string bytes(kMagic);
  {
    FieldWriter writer(bytes);
    const auto count = static_cast<std::uint64_t>(known_.size());
    writer(now.monotonic, now.wall_nanoseconds, count);
    for (const auto& [key, history] : known_) {
      writer(key.first, key.second);
      VisitHistory(writer, history);
    }
    writer.Flush();
  }
  bytes += HashText(bytes);
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  const fs::path temporary = path_.string() + ".new";
  COTENANT_RETURN_IF_ERROR(WriteWhole(temporary, bytes));
  fs::rename(temporary, path_, error);
  if (error) return Internal("'" + path_.string() + "': cannot be replaced: " + error.message());
  return Status();
}

}  // namespace cotenant
