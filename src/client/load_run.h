#pragma once

/// Plays a scenario's arrivals against a server in real time and counts what comes back.
///
/// Open loop: each request is sent at its intended time, whether earlier ones are answered or not,
/// and its latency counts from that time to the last byte of its answer. When all connections are
/// taken, or this thread is late, the wait counts too, and is reported on its own, so that a
/// bottleneck here is not taken for the server's.
///
/// One thread, which blocks in Run until the end. Memory grows with the requests in flight only.

#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalog/run_result.h"
#include "catalog/scenario.h"
#include "client/request_bodies.h"
#include "client/server_url.h"

namespace cotenant {

/// How far a run is, once a second.
struct LoadProgress {
  bool warming_up = false;
  Duration elapsed;
  Duration lasts;
  std::uint64_t sent = 0;
  std::uint64_t replied = 0;
  std::uint64_t refused = 0;  ///< Rejected or expired.
  std::uint64_t failed = 0;   ///< Failed or broken.
  std::size_t in_flight = 0;
  std::size_t waiting = 0;  ///< For a connection.
  Duration p99;             ///< Of the last second's replies.
};

struct LoadOptions {
  std::uint64_t seed = 0;
  Duration lasts;    ///< At most the scenario's.
  Duration warm_up;  ///< Played before, from another seed, and not counted.
  /// How long answers are waited for after the last arrival.
  Duration grace = Duration::Seconds(10);
  /// Raise it when requests wait for connections and the server can take more.
  std::size_t connections_max = 1024;
  bool send_tenants = true;
  bool send_bounds = true;
  /// Set from outside (a signal) to end early; may be null.
  const volatile std::sig_atomic_t* stop = nullptr;
  std::function<void(const LoadProgress&)> progress;  ///< May be empty.
};

/// The bodies of each model that the scenario's load uses, by the model's index.
using BodiesByModel = std::vector<std::optional<RequestBodies>>;
/// Asks the server for the models' inputs. Blocks.
Result<BodiesByModel> PrepareBodies(const Scenario& scenario, const ServerUrl& url,
                                    const ServerAddress& address, std::uint64_t seed);

class LoadRun {
 public:
  /// All must outlive the run.
  LoadRun(const Scenario& scenario, const BodiesByModel& bodies, const ServerUrl& url,
          const ServerAddress& address, const LoadOptions& options);
  ~LoadRun();
  LoadRun(const LoadRun&) = delete;
  LoadRun& operator=(const LoadRun&) = delete;

  /// Once. Internal when the system gives no epoll. Expectations are not checked.
  Result<RunResult> Run();

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

/// `text` as a part of a URL's path.
std::string PercentEncoded(std::string_view text);

}  // namespace cotenant
