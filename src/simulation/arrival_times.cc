#include "simulation/arrival_times.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "simulation/exponential.h"

namespace cotenant {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kOne = std::uint64_t{1} << 32;

std::uint64_t Share(Duration part, Duration whole) {
  return static_cast<std::uint64_t>((Wide{static_cast<std::uint64_t>(part.nanoseconds())} << 32) /
                                    static_cast<std::uint64_t>(whole.nanoseconds()));
}

/// 0 … 1 and back over a phase of 0 … 1, all in 2^-32: (1 - cos) / 2 with a parabola for each half
/// of the sine.
std::uint64_t Swing(std::uint64_t phase) {
  const std::uint64_t turned = (phase + 3 * (kOne / 4)) % kOne;  // A quarter back.
  const std::uint64_t half = (turned * 2) % kOne;
  const auto arc = static_cast<std::uint64_t>((Wide{half} * (kOne - half)) >> 30);  // 4 y (1 - y)
  return turned < kOne / 2 ? (kOne + arc) / 2 : (kOne - arc) / 2;
}

}  // namespace

ArrivalTimes::ArrivalTimes(const ArrivalPattern& pattern, Duration start, Duration end,
                           Random random, std::unique_ptr<ArrivalTimes> events)
    : start_(start), end_(end), random_(random), state_(Begin(pattern, std::move(events))) {}

ArrivalTimes::State ArrivalTimes::Begin(const ArrivalPattern& pattern,
                                        std::unique_ptr<ArrivalTimes> events) {
  if (const auto* p = std::get_if<ConstantArrivals>(&pattern)) {
    COTENANT_CHECK(p->interval > Duration());
    return Constant{p->interval, start_};
  }
  if (const auto* p = std::get_if<PoissonArrivals>(&pattern)) {
    return Poisson{p->mean_interval, start_};
  }
  if (const auto* p = std::get_if<BurstyArrivals>(&pattern)) {
    COTENANT_CHECK(p->quiet_mean > Duration() && p->burst_mean > Duration());
    return Bursty{p, start_, start_, true};  // A burst that is over: the first state is quiet.
  }
  if (const auto* p = std::get_if<DiurnalArrivals>(&pattern)) {
    COTENANT_CHECK(p->high_interval > Duration() && p->period > Duration());
    COTENANT_CHECK(p->low_interval == Duration() || p->low_interval >= p->high_interval);
    const std::uint64_t low =
        p->low_interval == Duration() ? 0 : Share(p->high_interval, p->low_interval);
    return Diurnal{p, start_, start_, low};
  }
  if (const auto* p = std::get_if<PeriodicArrivals>(&pattern)) {
    COTENANT_CHECK(p->interval > Duration());
    return Periodic{p, start_ + p->phase, {}};
  }
  if (const auto* p = std::get_if<SpikyArrivals>(&pattern)) {
    COTENANT_CHECK(p->every > Duration() && p->size > 0);
    const Duration steady = After(start_, p->mean_interval);
    return Spiky{p, steady, After(start_, p->every), p->size};
  }
  if (const auto* p = std::get_if<RegimeArrivals>(&pattern)) {
    COTENANT_CHECK(!p->steps.empty() && p->steps.front().from == Duration());
    return Regime{p, start_, 0};
  }
  if (const auto* p = std::get_if<CorrelatedArrivals>(&pattern)) {
    COTENANT_CHECK(events != nullptr);
    const Duration first = events->Next();
    return Correlated{p, std::move(events), first, {}};
  }
  return Trace{&std::get<TraceArrivals>(pattern), 0};
}

Duration ArrivalTimes::Next() {
  for (;;) {
    const Duration at = std::visit([this](auto& state) { return Step(state); }, state_);
    if (at >= end_) return Duration::Max();
    if (at >= start_) return at;
  }
}

const TraceArrivals::Row* ArrivalTimes::row() const {
  const auto* trace = std::get_if<Trace>(&state_);
  return trace == nullptr || trace->taken == 0 ? nullptr : &trace->pattern->rows[trace->taken - 1];
}

Duration ArrivalTimes::After(Duration from, Duration mean) {
  if (mean == Duration()) return end_;
  return std::min(end_, from + DrawExponential(random_, mean));
}

Duration ArrivalTimes::Delayed::Take() {
  const Duration at = waiting_.top();
  waiting_.pop();
  return at;
}

Duration ArrivalTimes::Step(Constant& state) {
  const Duration at = state.next;
  state.next += state.interval;
  return at;
}

Duration ArrivalTimes::Step(Poisson& state) {
  state.now = After(state.now, state.mean);
  return state.now;
}

Duration ArrivalTimes::Step(Bursty& state) {
  while (state.now < end_) {
    // Nothing is remembered of a time that goes beyond the state's end: exponential times have no
    // memory, so the rest is drawn anew at the other rate.
    const BurstyArrivals& p = *state.pattern;
    const Duration at = After(state.now, state.burst ? p.burst_interval : p.quiet_interval);
    if (at < state.until) {
      state.now = at;
      return at;
    }
    state.now = state.until;
    state.burst = !state.burst;
    state.until = After(state.now, state.burst ? p.burst_mean : p.quiet_mean);
  }
  return end_;
}

Duration ArrivalTimes::Step(Diurnal& state) {
  // Thinning (Lewis and Shedler 1979): requests at the highest rate, of which each stays with the
  // rate's share of it.
  const DiurnalArrivals& p = *state.pattern;
  while ((state.now = After(state.now, p.high_interval)) < end_) {
    const Duration since =
        Duration::Nanoseconds((state.now - state.start).nanoseconds() % p.period.nanoseconds());
    const std::uint64_t swing = Swing(Share(since, p.period));
    const std::uint64_t share =
        state.low_share + static_cast<std::uint64_t>((Wide{kOne - state.low_share} * swing) >> 32);
    if (random_.Below(kOne) < share) return state.now;
  }
  return end_;
}

Duration ArrivalTimes::Step(Periodic& state) {
  while (state.next < end_ && !state.delayed.HasBefore(state.next)) {
    const std::int64_t late = random_.Between(0, state.pattern->jitter.nanoseconds());
    state.delayed.Add(state.next + Duration::Nanoseconds(late));
    state.next += state.pattern->interval;
  }
  return state.delayed.HasBefore(end_) ? state.delayed.Take() : end_;
}

Duration ArrivalTimes::Step(Spiky& state) {
  if (state.steady < state.spike) {
    const Duration at = state.steady;
    state.steady = After(at, state.pattern->mean_interval);
    return at;
  }
  const Duration at = state.spike;
  if (--state.left == 0) {
    state.left = state.pattern->size;
    state.spike = After(at, state.pattern->every);
  }
  return at;
}

Duration ArrivalTimes::Step(Regime& state) {
  const std::vector<RegimeArrivals::Step>& steps = state.pattern->steps;
  while (state.now < end_) {
    const Duration until = state.step + 1 < steps.size() ? steps[state.step + 1].from : end_;
    if (state.now < until) {
      const Duration at = After(state.now, steps[state.step].mean_interval);
      if (at < until) {
        state.now = at;
        return at;
      }
    }
    if (state.step + 1 == steps.size()) break;
    state.now = std::max(state.now, until);  // As in a burst: the rest is drawn anew.
    ++state.step;
  }
  return end_;
}

Duration ArrivalTimes::Step(Correlated& state) {
  while (state.next < end_ && !state.delayed.HasBefore(state.next)) {
    // Both draws are always made, so that neither setting shifts the other's numbers.
    const bool follows = random_.Below(1000) < state.pattern->per_mille;
    const std::int64_t late = random_.Between(0, state.pattern->delay_max.nanoseconds());
    if (follows) state.delayed.Add(state.next + Duration::Nanoseconds(late));
    state.next = state.events->Next();
  }
  return state.delayed.HasBefore(end_) ? state.delayed.Take() : end_;
}

Duration ArrivalTimes::Step(Trace& state) {
  if (state.taken == state.pattern->rows.size()) return end_;
  return state.pattern->rows[state.taken++].at;
}

}  // namespace cotenant
