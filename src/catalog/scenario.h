#pragma once

/// A scenario: tenants, models, load, faults and expectations. The simulator and the load
/// generator play the same one. Plain, validated data; config/scenario_file reads it.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "catalog/model_config.h"
#include "catalog/outcome.h"
#include "catalog/profile.h"
#include "catalog/tenant.h"
#include "catalog/variant.h"

namespace cotenant {

// How requests of one source come. Open loop always: the next one never waits for an answer. Means
// are given as intervals, so that all is in integers.

/// One every `interval`.
struct ConstantArrivals {
  Duration interval;
};
/// Independent requests.
struct PoissonArrivals {
  Duration mean_interval;
};
/// A Markov-modulated Poisson process of two states, quiet and burst; each lasts an exponential
/// time with its mean.
struct BurstyArrivals {
  Duration quiet_interval;  ///< Zero: nothing comes while quiet.
  Duration burst_interval;
  Duration quiet_mean;
  Duration burst_mean;
};
/// Poisson with a rate that goes from its lowest to its highest and back over each period, along a
/// parabola on each half (a sine within 6 %, in integers). Starts at the lowest.
struct DiurnalArrivals {
  Duration low_interval;   ///< Mean interval at the lowest rate.
  Duration high_interval;  ///< Mean interval at the highest rate.
  Duration period;
};
/// A camera: one every `interval`, each late by an even 0 … `jitter`; the first after `phase`.
struct PeriodicArrivals {
  Duration interval;
  Duration jitter;
  Duration phase;
};
/// Poisson, and every `every` on average (exponential) `size` requests at the same instant.
struct SpikyArrivals {
  Duration mean_interval;  ///< Zero: spikes only.
  Duration every;
  std::int32_t size = 1;
};
/// Poisson with another rate from each of these times on.
struct RegimeArrivals {
  struct Step {
    Duration from;           ///< Since the scenario's start; ascending, the first is 0.
    Duration mean_interval;  ///< Zero: nothing comes.
  };
  std::vector<Step> steps;
};
/// Follows the events of a named group (`Scenario::groups`): each event brings a request with this
/// probability, after an even delay. Sources of one group are correlated.
struct CorrelatedArrivals {
  std::size_t group = 0;
  std::uint32_t per_mille = 1000;
  Duration delay_max;
};
/// As recorded. Tenant, model, rows and bounds are each row's own.
struct TraceArrivals {
  struct Row {
    Duration at;  ///< Since the scenario's start; ascending.
    std::size_t tenant = 0;
    std::size_t model = 0;
    std::int32_t rows = 1;
    Duration latency_bound;  ///< Zero: the tenant's.
  };
  std::vector<Row> rows;
};
using ArrivalPattern = std::variant<ConstantArrivals, PoissonArrivals, BurstyArrivals,
                                    DiurnalArrivals, PeriodicArrivals, SpikyArrivals,
                                    RegimeArrivals, CorrelatedArrivals, TraceArrivals>;

/// One stream of requests.
struct LoadSource {
  std::string name;
  std::size_t tenant = 0;  ///< Index; unused for a trace, as are model, rows and bound.
  std::size_t model = 0;
  std::int32_t rows_min = 1;  ///< Rows of a request: even in rows_min … rows_max.
  std::int32_t rows_max = 1;
  Duration latency_bound;            ///< Zero: the tenant's.
  Duration start;                    ///< Since the scenario's start.
  Duration stop;                     ///< Zero: the scenario's end.
  std::uint32_t gone_per_mille = 0;  ///< Of 1,000 requests, so many clients vanish …
  Duration gone_after_max;           ///< … after an even 0 … this.
  ArrivalPattern arrivals;
};

/// Another form of a model: times and sizes of its own.
struct ScenarioVariant {
  std::string name;
  std::int32_t accuracy = 0;  ///< Thousandths of points. Zero: unknown.
  ModelProfile profile;
};

struct ScenarioModel {
  std::string name;
  std::int32_t rows_max = 1;  ///< As `max_batch_size`, at least 1.
  std::int32_t cores = 1;
  std::optional<DynamicBatching> batching;
  /// Times, from the scenario itself or from a profile file it names. `model` equals `name`.
  ModelProfile profile;
  std::int32_t accuracy = 0;      ///< Of its own network, thousandths of points. Zero: unknown.
  std::int32_t accuracy_min = 0;  ///< What requests that say nothing may be given.
  bool pinned = false;
  Duration idle_unload = Duration();  ///< It leaves memory unasked for so long. Zero: never.
  std::vector<ScenarioVariant> variants;
  /// Raw little-endian inputs for the load generator, absolute paths by input name; without one it
  /// sends random values of the declared type.
  std::vector<std::pair<std::string, std::string>> input_files;
  /// Or a folder of samples, one request after the other: absolute, empty for none.
  std::string samples;
  std::uint32_t load_failures_per_mille = 0;
  std::uint32_t run_failures_per_mille = 0;
};

/// Things that go wrong at a time, since the scenario's start.
struct SlowDown {  ///< All runs take `percent` of their time (200: twice as long).
  Duration at;
  Duration lasts;
  std::uint32_t percent = 200;
};
struct Stop {  ///< Nothing runs on; runs in progress freeze until it is over.
  Duration at;
  Duration lasts;
};
struct Reload {  ///< The model is loaded anew beside the serving one, which then goes.
  Duration at;
  std::size_t model = 0;
  bool fails = false;  ///< The load fails; the serving one stays.
};
struct LessMemory {  ///< Other programs take memory: models and runs may have so much.
  Duration at;
  Duration lasts;
  Bytes left;
};
using Fault = std::variant<SlowDown, Stop, Reload, LessMemory>;

/// What must hold at the end, or the command exits with 1. Exactly one of the tenant's or all.
struct Expectation {
  enum class Quantity : unsigned char {
    kBoundsMetPercent,  ///< Of all requests with a bound; refused and expired ones are not met.
    kRefusedPercent,    ///< Of all requests.
    kLatencyP50,
    kLatencyP99,  ///< Of replied requests.
    kReplied,     ///< Requests.
  };
  Quantity quantity = Quantity::kBoundsMetPercent;
  std::optional<std::size_t> tenant;  ///< None: over all.
  /// Inclusive limits. Percent in thousandths, latencies in nanoseconds, else a count.
  std::optional<std::int64_t> at_least;
  std::optional<std::int64_t> at_most;
  std::string text;  ///< As written, for the report.
  int line = 0;
};

/// The machine.
struct ScenarioDevice {
  std::int32_t slots = 2;  ///< CPUs.
  Bytes memory;            ///< For models and their runs. Zero: no limit.
  NodeCosts costs;         ///< Each may be empty: no cost.
};

struct Scenario {
  std::string name;  ///< The file's, without folder and ending.
  std::string description;
  Duration lasts;     ///< Arrivals come for so long; what has arrived is then finished.
  NodeSettings node;  ///< Tenants (the first is `default`) and policies.
  ScenarioDevice device;
  std::vector<ScenarioModel> models;
  std::vector<ArrivalPattern> groups;  ///< Not correlated and not traces themselves.
  std::vector<std::string> group_names;
  std::vector<LoadSource> sources;
  std::vector<Fault> faults;
  std::vector<Expectation> expectations;
};

}  // namespace cotenant
