#pragma once

/// The arrivals of a scenario, one after another in order of time: what the simulator feeds to the
/// brain and what the load generator sends. Equal for equal scenario and seed, on every compiler.
///
/// Holds no list: memory is constant in the number of requests. Every source draws from a stream of
/// its own (seed and the source's place), so that adding a source at the end changes no other.

#include <cstdint>
#include <memory>
#include <optional>

#include "catalog/scenario.h"

namespace cotenant {

struct Arrival {
  Duration at;  ///< Since the scenario's start. Never decreasing; ties in order of sources.
  std::size_t source = 0;
  std::size_t tenant = 0;
  std::size_t model = 0;
  std::int32_t rows = 1;
  Duration latency_bound;              ///< Zero: the tenant's.
  std::optional<Duration> gone_after;  ///< The client vanishes so long after `at`.
};

class ArrivalStream {
 public:
  /// `scenario` must outlive the stream.
  ArrivalStream(const Scenario& scenario, std::uint64_t seed);
  ~ArrivalStream();
  ArrivalStream(const ArrivalStream&) = delete;
  ArrivalStream& operator=(const ArrivalStream&) = delete;

  /// Nothing after the last one.
  std::optional<Arrival> Next();

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
