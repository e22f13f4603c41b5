#include "simulation/arrivals.h"

#include <compare>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/indexed_heap.h"
#include "simulation/arrival_times.h"

namespace cotenant {
namespace {

struct NextKey {
  Duration at;
  std::uint32_t source = 0;
  auto operator<=>(const NextKey&) const = default;
};

/// A stream of its own for each place. Two mixing steps, because streams of SplitMix64 whose seeds
/// lie a multiple of its step apart are one stream.
Random StreamOf(std::uint64_t seed, std::uint64_t place) {
  return Random(Random(Random(seed).Next() + place).Next());
}
// Places: two for every source (times, and what a request is like), and beyond all of those one
// for every group.
constexpr std::uint64_t kGroupPlace = std::uint64_t{1} << 40;

}  // namespace

class ArrivalStream::Body {
 public:
  Body(const Scenario& scenario, std::uint64_t seed) {
    sources_.reserve(scenario.sources.size());
    for (std::size_t i = 0; i < scenario.sources.size(); ++i) {
      const LoadSource& load = scenario.sources[i];
      Duration end = scenario.lasts;
      if (load.stop != Duration() && load.stop < end) end = load.stop;
      // Every follower of a group runs the group's events for itself: they are the same for all.
      std::unique_ptr<ArrivalTimes> events;
      if (const auto* correlated = std::get_if<CorrelatedArrivals>(&load.arrivals)) {
        const std::size_t group = correlated->group;
        COTENANT_CHECK(group < scenario.groups.size());
        events = std::make_unique<ArrivalTimes>(scenario.groups[group], Duration(), end,
                                                StreamOf(seed, kGroupPlace + group), nullptr);
      }
      sources_.push_back(
          {&load,
           ArrivalTimes(load.arrivals, load.start, end, StreamOf(seed, 2 * i), std::move(events)),
           StreamOf(seed, 2 * i + 1)});
      Enqueue(static_cast<std::uint32_t>(i));
    }
  }

  std::optional<Arrival> Next() {
    if (next_.empty()) return std::nullopt;
    const std::uint32_t index = next_.top();
    Source& source = sources_[index];
    const LoadSource& load = *source.load;
    Arrival arrival{next_.top_key().at, index, load.tenant, load.model, 1, load.latency_bound, {}};
    if (const TraceArrivals::Row* row = source.times.row()) {
      arrival.tenant = row->tenant;
      arrival.model = row->model;
      arrival.rows = row->rows;
      arrival.latency_bound = row->latency_bound;
    } else {
      arrival.rows = load.rows_min;
      if (load.rows_max > load.rows_min) {
        arrival.rows =
            static_cast<std::int32_t>(source.marks.Between(load.rows_min, load.rows_max));
      }
    }
    if (load.gone_per_mille > 0 && source.marks.Below(1000) < load.gone_per_mille) {
      arrival.gone_after =
          Duration::Nanoseconds(source.marks.Between(0, load.gone_after_max.nanoseconds()));
    }
    Enqueue(index);
    return arrival;
  }

 private:
  struct Source {
    const LoadSource* load;
    ArrivalTimes times;
    Random marks;
  };

  void Enqueue(std::uint32_t source) {
    const Duration at = sources_[source].times.Next();
    if (at == Duration::Max()) {
      next_.Remove(source);
    } else {
      next_.Set(source, {at, source});
    }
  }

  std::vector<Source> sources_;
  IndexedHeap<NextKey> next_;
};

ArrivalStream::ArrivalStream(const Scenario& scenario, std::uint64_t seed)
    : body_(std::make_unique<Body>(scenario, seed)) {}
ArrivalStream::~ArrivalStream() = default;

std::optional<Arrival> ArrivalStream::Next() { return body_->Next(); }

}  // namespace cotenant
