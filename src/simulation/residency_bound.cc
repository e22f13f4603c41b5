#include "simulation/residency_bound.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace cotenant {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
/// A late load began in one of so many parts of the time before the request that it takes, or after
/// it in one of so many parts of the time until the most lateness.
constexpr int kPartsBefore = 4;
constexpr int kPartsAfter = 4;
/// How long after a request its variant's memory is charged from: at once, or from the end of a
/// part after it.
constexpr int kLags = 1 + kPartsAfter;

double Seconds(Duration span) { return static_cast<double>(span.nanoseconds()) * 1e-9; }

/// A place on the time line: the span that it lies in, and how far, so that integrals of the prices
/// need no search.
struct Place {
  std::size_t span = 0;
  double into = 0;  ///< Seconds.
};

/// The prices of a megabyte for a second, constant between requests and the moments at which loads
/// for them must begin.
class Prices {
 public:
  Prices(std::span<const StudyApplication> applications, Duration lasts) {
    ends_.push_back(0);
    for (const StudyApplication& application : applications) {
      for (Instant at : application.requests) AddRequest(application, Seconds(at - Instant()));
    }
    ends_.push_back(Seconds(lasts));
    std::ranges::sort(ends_);
    ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
    price_.assign(ends_.size() - 1, 0);
    used_.assign(price_.size(), 0);
    up_to_.assign(ends_.size(), 0);
  }

  Place PlaceOf(double at) const {
    const auto after = std::upper_bound(ends_.begin(), ends_.end(), at);
    const auto index = static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(after - ends_.begin() - 1, 0, std::ssize(price_) - 1));
    return {index, at - ends_[index]};
  }
  /// What a megabyte costs from the beginning until then.
  double UpTo(Place place) const { return up_to_[place.span] + price_[place.span] * place.into; }

  /// `megabytes` are in use between the two.
  void Use(Place from, Place to, double megabytes) {
    for (std::size_t i = from.span; i <= to.span; ++i) {
      const double begin = i == from.span ? from.into : 0;
      const double end = i == to.span ? to.into : ends_[i + 1] - ends_[i];
      if (end > begin) used_[i] += megabytes * (end - begin);
    }
  }

  /// What the whole memory is worth.
  double Worth(double memory) const { return up_to_.back() * memory; }

  /// One step: dearer where more was used than there is. `distance`: how far the bound may rise.
  void Step(double memory, double distance) {
    double square = 0;
    // In what a megabyte costs through a whole span, so that short ones count like long ones.
    for (std::size_t i = 0; i < price_.size(); ++i) {
      used_[i] = used_[i] / Length(i) - memory;
      if (used_[i] > 0 || price_[i] > 0) square += used_[i] * used_[i];
    }
    for (std::size_t i = 0; i < price_.size(); ++i) {
      if (square > 0) {
        price_[i] = std::max(0.0, price_[i] + distance / square * used_[i] / Length(i));
      }
      used_[i] = 0;
      up_to_[i + 1] = up_to_[i] + price_[i] * Length(i);
    }
  }

 private:
  double Length(std::size_t i) const { return ends_[i + 1] - ends_[i]; }
  /// A request ends a span, and so does the moment at which a load for it must begin.
  void AddRequest(const StudyApplication& application, double at) {
    ends_.push_back(at);
    for (const ResidentVariantView& variant : application.variants) {
      const double begin = at - Seconds(variant.load_takes);
      if (begin > 0) ends_.push_back(begin);
    }
  }

  std::vector<double> ends_;
  std::vector<double> price_;
  std::vector<double> up_to_;
  std::vector<double> used_;  ///< Megabyte-seconds in this round.
};

/// One way to serve a request by a new load: what it costs but for memory, from when it holds
/// memory before the request, and from which lag on after it.
struct Loading {
  double costs;
  Place from;
  int lag;
};

/// The cheapest plan of one application at given prices.
class Plans {
 public:
  Plans(BoundOf what, const StudyApplication& application, Duration lasts,
        const StudyPenalties& penalties, const Prices& prices)
      : what_(what), application_(application), penalties_(penalties) {
    const double end = Seconds(lasts);
    for (Instant at : application.requests) {
      if (at < Instant() + lasts) times_.push_back(Seconds(at - Instant()));
    }
    for (const ResidentVariantView& variant : application.variants) {
      sizes_.push_back(static_cast<double>(variant.size.count()) * 1e-6);
    }
    for (std::size_t r = 0; r < times_.size(); ++r) {
      at_.push_back(prices.PlaceOf(times_[r]));
      const double next = r + 1 < times_.size() ? times_[r + 1] : end;
      for (std::size_t v = First(); v < sizes_.size(); ++v) AddRequest(r, v, next, prices);
    }
  }

  /// The least cost; what it uses is told to `prices`.
  double Cheapest(Prices& prices) {
    steps_.assign(times_.size() * Width(), Choice{});
    // Costs with each variant and lag in memory after the request, and with whatever is cheapest.
    std::vector<double> holds(Width(), kInfinite);
    Best before{0, kNothing};
    for (std::size_t r = 0; r < times_.size(); ++r) {
      std::vector<double> now(Width(), kInfinite);
      Best best{before.cost + FailCost(), kNothing};
      failed_before_.resize(times_.size());
      failed_before_[r] = before.state;
      for (std::size_t v = First(); v < sizes_.size(); ++v) {
        Serve(r, v, prices, holds, before, now);
        for (std::size_t lag = 0; lag < kLags; ++lag) {
          const std::size_t state = StateOf(v, lag);
          if (now[state] < best.cost) best = {now[state], static_cast<std::int64_t>(state)};
        }
      }
      holds.swap(now);
      before = best;
    }
    Tell(before.state, prices);
    return before.cost;
  }

 private:
  static constexpr std::int64_t kNothing = -1;
  struct Best {
    double cost;
    std::int64_t state;
  };
  /// How a state at a request was reached.
  struct Choice {
    std::int64_t from = kNothing;  ///< The state at the request before.
    bool kept = false;
    Place since;  ///< From when its memory is used until the request.
  };

  std::size_t First() const { return static_cast<std::size_t>(application_.smallest_allowed); }
  std::size_t Width() const { return sizes_.size() * kLags; }
  static std::size_t StateOf(std::size_t variant, std::size_t lag) { return variant * kLags + lag; }
  std::size_t Index(std::size_t r, std::size_t v) const { return r * sizes_.size() + v; }
  double FailCost() const {
    return what_ == BoundOf::kNotWarm ? 1 : Seconds(penalties_.lateness_max) * 1e3;
  }
  double ServeCost(std::size_t v) const {
    if (what_ == BoundOf::kNotWarm) return 0;
    const auto lost = application_.variants.back().accuracy - application_.variants[v].accuracy;
    return static_cast<double>(lost) * 1e-3 * Seconds(penalties_.point) * 1e3;
  }

  void AddRequest(std::size_t r, std::size_t v, double next, const Prices& prices) {
    const double at = times_[r];
    const double since = r == 0 ? 0 : times_[r - 1];
    const double load = Seconds(application_.variants[v].load_takes);
    const double cpu =
        what_ == BoundOf::kNotWarm ? 0 : load * static_cast<double>(penalties_.load_per_mille);
    loadings_.resize(Index(r, v) + 1);
    lags_.resize(Index(r, v) + 1);
    std::vector<Loading>& ways = loadings_[Index(r, v)];
    const auto from = [&](double begin) { return prices.PlaceOf(std::max(since, begin)); };
    const double serve = ServeCost(v);
    ways.push_back({cpu + serve, from(at - load), 0});
    lags_[Index(r, v)].fill(at_[r]);
    if (what_ == BoundOf::kNotWarm) return;
    const double most = Seconds(penalties_.lateness_max);
    for (int part = 0; part < kPartsBefore; ++part) {
      const double late = load * part / kPartsBefore;
      const double begin = at - load + load * (part + 1) / kPartsBefore;
      ways.push_back({cpu + serve + std::min(late, most) * 1e3, from(begin), 0});
    }
    if (load >= most) return;  // Later ones cost as much as a failure.
    for (int part = 0; part < kPartsAfter; ++part) {
      const double step = (most - load) / kPartsAfter;
      ways.push_back({cpu + serve + (load + step * part) * 1e3, at_[r], part + 1});
      lags_[Index(r, v)][static_cast<std::size_t>(part) + 1] =
          prices.PlaceOf(std::min(next, at + step * (part + 1)));
    }
  }

  void Serve(std::size_t r, std::size_t v, const Prices& prices, const std::vector<double>& holds,
             const Best& before, std::vector<double>& now) {
    const double until = prices.UpTo(at_[r]);
    for (std::size_t lag = 0; r > 0 && lag < kLags; ++lag) {
      const std::size_t state = StateOf(v, lag);
      if (holds[state] == kInfinite) continue;
      const Place since = lags_[Index(r - 1, v)][lag];
      const double cost = holds[state] + sizes_[v] * (until - prices.UpTo(since)) + ServeCost(v);
      if (cost >= now[StateOf(v, 0)]) continue;
      now[StateOf(v, 0)] = cost;
      steps_[r * Width() + StateOf(v, 0)] = {static_cast<std::int64_t>(state), true, since};
    }
    for (const Loading& way : loadings_[Index(r, v)]) {
      const double memory = sizes_[v] * (until - prices.UpTo(way.from));
      const double cost = before.cost + way.costs + memory;
      const std::size_t state = StateOf(v, static_cast<std::size_t>(way.lag));
      if (cost >= now[state]) continue;
      now[state] = cost;
      steps_[r * Width() + state] = {before.state, false, way.from};
    }
  }

  void Tell(std::int64_t state, Prices& prices) const {
    for (std::size_t r = times_.size(); r-- > 0;) {
      if (state == kNothing) {
        state = failed_before_[r];
        continue;
      }
      const auto index = static_cast<std::size_t>(state);
      const Choice& choice = steps_[r * Width() + index];
      prices.Use(choice.since, at_[r], sizes_[index / kLags]);
      state = choice.from;
    }
  }

  BoundOf what_;
  const StudyApplication& application_;
  const StudyPenalties& penalties_;
  std::vector<double> times_;
  std::vector<Place> at_;
  std::vector<double> sizes_;                   ///< Megabytes.
  std::vector<std::vector<Loading>> loadings_;  ///< By request and variant.
  std::vector<std::array<Place, kLags>> lags_;  ///< Likewise: from when a lag charges.
  std::vector<Choice> steps_;                   ///< By request and state.
  std::vector<std::int64_t> failed_before_;
};

}  // namespace

double ResidencyBound(BoundOf what, std::span<const StudyApplication> applications, Bytes memory,
                      Duration lasts, const StudyPenalties& penalties, double reached, int rounds) {
  Prices prices(applications, lasts);
  std::vector<Plans> plans;
  double requests = 0;
  for (const StudyApplication& application : applications) {
    plans.emplace_back(what, application, lasts, penalties, prices);
    requests += static_cast<double>(std::ranges::count_if(
        application.requests, [lasts](Instant at) { return at < Instant() + lasts; }));
  }
  if (requests == 0) return 0;
  const double megabytes = static_cast<double>(memory.count()) * 1e-6;
  double best = 0;
  double pace = 1;
  int without_gain = 0;
  for (int round = 0; round < rounds; ++round) {
    double sum = -prices.Worth(megabytes);
    for (Plans& plan : plans) sum += plan.Cheapest(prices);
    if (sum > best) {
      best = sum;
      without_gain = 0;
    } else if (++without_gain == 5) {
      pace /= 2;
      without_gain = 0;
    }
    prices.Step(megabytes, pace * std::max(reached * requests - sum, 1e-3 * reached * requests));
  }
  return best / requests;
}

std::int64_t TenancyCeiling(std::span<const StudyApplication> applications, Bytes memory) {
  std::vector<Bytes> least;
  for (const StudyApplication& application : applications) {
    least.push_back(
        application.variants[static_cast<std::size_t>(application.smallest_allowed)].size);
  }
  std::ranges::sort(least);
  std::int64_t count = 0;
  for (Bytes size : least) {
    if (size > memory) break;
    memory -= size;
    ++count;
  }
  return count;
}

}  // namespace cotenant
