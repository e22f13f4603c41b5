#pragma once

/// What came out of playing a scenario, live or simulated: the same figures in the same form, so
/// that two runs can be laid side by side. Plain data; config/run_result_file writes and reads it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "catalog/outcome.h"

namespace cotenant {

/// How a request of a run ended, as its client saw it.
enum class RunEnd : unsigned char {
  kReplied,
  kRejected,    ///< Refused before it ran; see RejectReason.
  kExpired,     ///< Its bound passed while it waited.
  kFailed,      ///< Any other error of the server.
  kGone,        ///< The client vanished first, as the scenario says.
  kUnanswered,  ///< No answer until the run was over.
  kBroken,      ///< The connection could not be made or ended within the answer.
};
inline constexpr std::size_t kRunEnds = 7;
/// "replied", "rejected" … as in result files.
std::string_view RunEndName(RunEnd end);

/// Every RejectReason, and a refusal that gave no reason that we know.
inline constexpr std::size_t kRunReasons = 12;
inline constexpr std::size_t kOtherReason = kRunReasons - 1;
std::string_view RunReasonName(std::size_t reason);

/// Percentiles carry three significant digits; the others are exact.
struct LatencyFigures {
  Duration mean, least, p50, p90, p95, p99, p999, greatest;
};

/// A tenant's figures, a model's, or all.
struct GroupResult {
  std::string name;
  std::uint64_t requests = 0;
  std::array<std::uint64_t, kRunEnds> ends{};
  std::array<std::uint64_t, kRunReasons> rejected{};
  /// Requests with a latency bound, but for those whose client vanished.
  std::uint64_t bounded = 0;
  std::uint64_t bounds_met = 0;  ///< Of these: replied within it.
  std::uint64_t rows_replied = 0;
  std::uint64_t cold_starts = 0;  ///< Requests that ran, but found their model out of memory.
  // Of models with variants; in a simulation.
  std::int64_t points_lost = 0;  ///< Thousandths, against the best variant, over replied requests.
  /// Replied requests by "model:variant".
  std::vector<std::pair<std::string, std::uint64_t>> answered_by;
  LatencyFigures latency;  ///< Of replied requests, from arrival to the whole reply.

  std::uint64_t Ended(RunEnd end) const { return ends[static_cast<std::size_t>(end)]; }
  /// In thousandths of a percent; nothing when no request had a bound.
  std::optional<std::int64_t> BoundsMetMilliPercent() const;
  /// Accuracy lost by a replied request on average, in thousandths of points.
  std::int64_t MeanPointsLost() const;
  /// Rejected and expired ones of all, in thousandths of a percent; nothing without requests.
  std::optional<std::int64_t> RefusedMilliPercent() const;
};

/// A scenario's expectation after the run.
struct ExpectationResult {
  std::string text;
  bool held = false;
  std::string value;  ///< What it was, for people: "97.25 %", "12.3 ms".
};

/// Facts of a live run that differ from one run to the next.
struct WallFacts {
  std::string started;  ///< UTC, ISO 8601.
  std::string url;
  Duration took;
  double host_steal_percent = 0;  ///< CPU time that the host gave to others; -1 unknown.
  double host_idle_percent = 0;   ///< -1 unknown.
  Duration client_cpu;            ///< CPU time of the load generator.
  // How late requests were sent because the generator itself was not in time.
  Duration late_p50, late_p99, late_max;
  // Requests that found all connections taken.
  std::uint64_t waited_for_connection = 0;
  Duration waited_p99, waited_max;
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_peak = 0;
};

/// Facts of a simulated run: equal whenever scenario, seed and program are.
struct SimulatedFacts {
  std::uint64_t digest = 0;  ///< Of all decisions in order.
  std::uint64_t cranks = 0;  ///< Calls of the scheduler.
  std::uint64_t runs = 0;
  std::uint64_t batched = 0;      ///< Runs of several requests.
  std::uint64_t inline_runs = 0;  ///< Runs on the thread that read the request.
  Duration took;                  ///< Virtual time until the last reply.
};

/// What limited memory cost.
struct MemoryResult {
  Bytes limit;
  std::uint64_t loads = 0;  ///< All, also those before the first request and those that failed.
  std::uint64_t loads_failed = 0;
  Duration load_time;
  std::uint64_t evictions = 0;
};

struct RunResult {
  std::string command;  ///< "load" or "simulate".
  std::string scenario;
  std::uint64_t seed = 0;
  Duration lasts;  ///< Arrivals came for so long.
  GroupResult all;
  std::vector<GroupResult> tenants;  ///< In the scenario's order, as are the models.
  std::vector<GroupResult> models;
  std::vector<ExpectationResult> expectations;
  /// The most frequent error texts of failed, broken and unclear answers.
  std::vector<std::pair<std::string, std::uint64_t>> errors;
  std::optional<MemoryResult> memory;  ///< Where memory was limited.
  std::optional<SimulatedFacts> simulated;
  std::optional<WallFacts> wall;

  /// Replied requests per second of arrivals.
  double ThroughputPerSecond(const GroupResult& group) const;
};

}  // namespace cotenant
