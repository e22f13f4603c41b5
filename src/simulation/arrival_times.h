#pragma once

/// The times at which one pattern brings requests, one after another: the part of an ArrivalStream
/// that belongs to one source.
///
/// A pattern with random delays keeps the requests that an event has brought and that are still to
/// come; everything else is a few integers. Constant, Poisson, bursty, diurnal, periodic and spiky
/// patterns begin at the source's start; regimes, traces and groups run from the scenario's.

#include <cstddef>
#include <functional>
#include <memory>
#include <queue>
#include <variant>
#include <vector>

#include "base/random.h"
#include "catalog/scenario.h"

namespace cotenant {

class ArrivalTimes {
 public:
  /// Times in start … end, without the end. The pattern must outlive this. `random` is this
  /// source's; for a correlated pattern `events` are those of its group, else nothing.
  ArrivalTimes(const ArrivalPattern& pattern, Duration start, Duration end, Random random,
               std::unique_ptr<ArrivalTimes> events);

  /// Never less than the one before; Duration::Max() after the last one.
  Duration Next();
  /// For a trace: the row of the last Next().
  const TraceArrivals::Row* row() const;

 private:
  /// Events that each bring a request after a random delay, in the order of the requests.
  class Delayed {
   public:
    void Add(Duration at) { waiting_.push(at); }
    /// May the earliest one go before all that an event at `next` or later brings?
    bool HasBefore(Duration next) const { return !waiting_.empty() && waiting_.top() <= next; }
    Duration Take();

   private:
    std::priority_queue<Duration, std::vector<Duration>, std::greater<>> waiting_;
  };

  struct Constant {
    Duration interval;
    Duration next;
  };
  struct Poisson {
    Duration mean;
    Duration now;
  };
  struct Bursty {
    const BurstyArrivals* pattern;
    Duration now;
    Duration until;  ///< The state's end.
    bool burst = true;
  };
  struct Diurnal {
    const DiurnalArrivals* pattern;
    Duration start;
    Duration now;
    std::uint64_t low_share;  ///< The lowest rate in 2^-32 of the highest.
  };
  struct Periodic {
    const PeriodicArrivals* pattern;
    Duration next;
    Delayed delayed;
  };
  struct Spiky {
    const SpikyArrivals* pattern;
    Duration steady;
    Duration spike;
    std::int32_t left = 0;  ///< Of the spike at `spike`.
  };
  struct Regime {
    const RegimeArrivals* pattern;
    Duration now;
    std::size_t step = 0;
  };
  struct Correlated {
    const CorrelatedArrivals* pattern;
    std::unique_ptr<ArrivalTimes> events;
    Duration next;  ///< The group's next event.
    Delayed delayed;
  };
  struct Trace {
    const TraceArrivals* pattern;
    std::size_t taken = 0;
  };
  using State =
      std::variant<Constant, Poisson, Bursty, Diurnal, Periodic, Spiky, Regime, Correlated, Trace>;

  State Begin(const ArrivalPattern& pattern, std::unique_ptr<ArrivalTimes> events);
  // Each gives the next time, anything from end_ on when there is none before it.
  Duration Step(Constant& state);
  Duration Step(Poisson& state);
  Duration Step(Bursty& state);
  Duration Step(Diurnal& state);
  Duration Step(Periodic& state);
  Duration Step(Spiky& state);
  Duration Step(Regime& state);
  Duration Step(Correlated& state);
  Duration Step(Trace& state);

  /// `from` plus an exponential time, end_ if that is later. A mean of zero: end_.
  Duration After(Duration from, Duration mean);

  Duration start_;
  Duration end_;
  Random random_;
  State state_;
};

}  // namespace cotenant
