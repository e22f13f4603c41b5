#pragma once

/// A `cotenant serve` of our own under a memory limit of the system, for `reproduce --live`.
///
/// The child is this very program, on ports of its own on loopback, with its log in a file. It is
/// ended, by its process id alone, with the object, and by the system should this process die
/// first. Its group of the memory controller (version 1 or 2) goes with it; where none can be made
/// the server's own budget stands alone. One thread; calls block.

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "client/server_url.h"

namespace cotenant {

/// A group of processes with a limit of memory. Empty path: none could be made.
class MemoryGroup {
 public:
  MemoryGroup() = default;
  /// Below our own group. → why not, or nothing.
  Status Make(Bytes limit);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  /// The file that takes the process ids; empty: none.
  std::string entrance() const;
  std::int64_t Kills() const;

 private:
  std::filesystem::path path_;
  bool unified_ = false;
};

/// One model's row of GET /cotenant/v1/memory, and one variant of it.
struct LiveModelFacts {
  struct Variant {
    std::string name;
    Bytes size;
    Bytes run_peak;
  };
  std::string name;
  Bytes size;
  Bytes run_peak;
  std::uint64_t loads = 0;
  double load_seconds = 0;
  std::uint64_t evictions = 0;
  std::vector<Variant> variants;
};

struct LiveMemoryFacts {
  Bytes budget, base, requests, models;  ///< Zero: no budget.
  Bytes resident_peak;
  Bytes run_reserve;
  std::uint64_t major_faults = 0;
  std::vector<LiveModelFacts> rows;
};

class LiveServer {
 public:
  /// Starts and waits until it is ready. `entrance`: a MemoryGroup's, or empty. Unavailable, with
  /// the end of its log, when it ends before; Cancelled once `stop` is set (by a signal).
  static Result<std::unique_ptr<LiveServer>> Start(const std::filesystem::path& repository,
                                                   const std::vector<std::string>& flags,
                                                   const std::filesystem::path& log,
                                                   const std::string& entrance,
                                                   const volatile std::sig_atomic_t& stop);
  ~LiveServer();
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;

  const ServerUrl& url() const { return url_; }
  const ServerAddress& address() const { return address_; }
  Result<LiveMemoryFacts> Memory() const;

 private:
  LiveServer(pid_t child, std::filesystem::path log) : child_(child), log_(std::move(log)) {}
  Status AwaitStart(const volatile std::sig_atomic_t& stop);
  bool Ended();

  pid_t child_;
  std::string ended_;  ///< How, where that is worth saying.
  std::filesystem::path log_;
  ServerUrl url_;
  ServerAddress address_;
};

}  // namespace cotenant
