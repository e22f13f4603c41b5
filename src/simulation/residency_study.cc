#include "simulation/residency_study.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "policy/eviction.h"
#include "policy/forecast_score.h"
#include "policy/greedy_dual_credit.h"
#include "policy/interval_forecast.h"
#include "policy/load_turnover.h"

namespace cotenant {
namespace {

/// In the order in which events of the same instant happen.
enum class EventKind : unsigned char { kLoaded, kWindowBegins, kRequest, kWindowEnds };

struct StudyEvent {
  Instant at;
  EventKind kind;
  std::size_t application;
  std::uint64_t number;  ///< Of the window; an event of another one is out of date.
  auto operator<=>(const StudyEvent&) const = default;
};

/// Before everything.
constexpr Instant kNever = Instant::FromNanoseconds(-1);

struct ApplicationState {
  std::int32_t usable = kNoVariant;
  bool queued = false;  ///< Its load waits for the device, or is under way.
  std::uint64_t queue_number = 0;
  std::vector<Instant> waiting;
  std::size_t next_request = 0;
  std::vector<Instant> foretold;  ///< Sorted.
  std::size_t next_foretold = 0;
  std::uint64_t window = 0;  ///< Number of the one that begins next.
  Instant expected_at;       ///< Its middle.
  Instant expected_from;
  Instant expected_until = kNever;
  Instant wanted_until = kNever;
  ArrivalHistory history;
  TestedForecast tested;
};

class Study {
 public:
  Study(const StudySettings& settings, std::span<const StudyApplication> applications)
      : settings_(settings),
        applications_(applications),
        states_(applications.size()),
        models_(applications.size()) {
    COTENANT_CHECK(settings.window > Duration());
    result_.applications.resize(applications.size());
    for (std::size_t i = 0; i < applications.size(); ++i) {
      ResidentModelView& model = models_[i];
      model.variants = applications[i].variants;
      model.smallest_allowed = applications[i].smallest_allowed;
      model.point_penalty = settings.penalties.point;
      if (!applications[i].requests.empty()) {
        Push({applications[i].requests[0], EventKind::kRequest, i, 0});
      }
      if (Foretells()) {
        states_[i].foretold = applications[i].foretold;
        std::ranges::sort(states_[i].foretold);
        for (Instant at : states_[i].foretold) {
          Push({std::max(Instant(), at - settings.window), EventKind::kWindowBegins, i, 0});
        }
      }
    }
  }

  StudyResult Run() {
    now_ = Instant();
    Improve();
    while (!events_.empty()) {
      const StudyEvent event = events_.top();
      events_.pop();
      if (event.at > End() && event.kind != EventKind::kLoaded) continue;
      CountTenancy(std::min(event.at, End()));
      now_ = event.at;
      switch (event.kind) {
        case EventKind::kLoaded: Loaded(event.application); break;
        case EventKind::kWindowBegins: WindowBegins(event.application, event.number); break;
        case EventKind::kRequest: Requested(event.application); break;
        case EventKind::kWindowEnds: WindowEnds(event.application); break;
      }
      StartLoad();
    }
    CountTenancy(End());
    Finish();
    return std::move(result_);
  }

 private:
  Instant End() const { return Instant() + settings_.lasts; }
  bool Proactive() const { return settings_.policy->proactive(); }
  bool Foretells() const { return Proactive() && settings_.prediction == nullptr; }
  void Push(const StudyEvent& event) { events_.push(event); }

  // The view.

  RequestForecast ForecastOf(ApplicationState& state) const {
    if (settings_.prediction != nullptr) {
      return settings_.prediction->Forecast(state.history, now_, settings_.horizon);
    }
    // As far as what was foretold has proved right; the rest by rate.
    RequestForecast forecast;
    while (state.next_foretold < state.foretold.size() &&
           state.foretold[state.next_foretold] + settings_.window < now_) {
      ++state.next_foretold;
    }
    const std::int32_t unforeseen = UnforeseenShare(state.history);
    const Duration mean = MeanOrSilence(state.history, state.history.mean_interval, now_);
    if (state.history.requests > 1) {
      forecast.chance_unforeseen = Both(unforeseen, ChanceWithin(settings_.horizon, mean));
    }
    forecast.chance = forecast.chance_unforeseen;
    std::int64_t count = 0;
    for (std::size_t i = state.next_foretold;
         i < state.foretold.size() && state.foretold[i] <= now_ + settings_.horizon; ++i) {
      ++count;
    }
    if (state.next_foretold < state.foretold.size()) {
      forecast.next = std::max(now_, state.foretold[state.next_foretold]);
    }
    if (count > 0) forecast.chance = Either(forecast.chance, kMillion - unforeseen);
    forecast.requests = count * 1'000;
    return forecast;
  }

  ResidencyView View() {
    ResidencyView view;
    view.now = now_;
    view.window = settings_.window;
    view.horizon = settings_.horizon;
    view.total = settings_.memory;
    view.free = settings_.memory - committed_;
    view.load_penalty_per_mille = settings_.penalties.load_per_mille;
    view.forecast_is_poor = score_.poor();
    for (std::size_t i = 0; i < models_.size(); ++i) {
      ApplicationState& state = states_[i];
      models_[i].wanted = Proactive() && now_ <= state.wanted_until;
      models_[i].waiting = !state.waiting.empty();
      models_[i].held = state.queued || !state.waiting.empty();
      if (Proactive()) models_[i].forecast = ForecastOf(state);
    }
    view.models = models_;
    const auto resident = std::ranges::count_if(
        models_, [](const ResidentModelView& model) { return model.resident != kNoVariant; });
    view.load_weight_per_mille = turnover_.WeightPerMille(now_, settings_.horizon, resident);
    return view;
  }

  // Changes.

  void Apply() {
    for (const ResidencyChange& change : plan_.changes) {
      ApplicationState& state = states_[change.model];
      ResidentModelView& model = models_[change.model];
      COTENANT_CHECK(!state.queued && change.variant != model.resident);
      SetUsable(change.model, state.usable, change.variant);
      if (change.variant == kNoVariant) {
        floor_ = GreedyDualFloor(floor_, model.credit);
        continue;
      }
      state.queued = true;
      state.queue_number = ++queued_;
    }
    COTENANT_CHECK(committed_ <= settings_.memory);
    // Old variants stay usable while their successors load, as far as memory goes.
    Bytes both = committed_;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!states_[i].queued || states_[i].usable == kNoVariant) continue;
      const Bytes old = SizeOf(models_[i], states_[i].usable);
      if (both + old <= settings_.memory) {
        both += old;
      } else {
        SetUsable(i, kNoVariant, models_[i].resident);
      }
    }
  }

  /// What can be used now, and what is to be.
  void SetUsable(std::size_t i, std::int32_t usable, std::int32_t resident) {
    ResidentModelView& model = models_[i];
    committed_ += SizeOf(model, resident) - ResidentSize(model);
    model.resident = resident;
    if (resident == kNoVariant) usable = kNoVariant;
    tenancy_ += (usable >= model.smallest_allowed ? 1 : 0) -
                (states_[i].usable >= model.smallest_allowed ? 1 : 0);
    states_[i].usable = usable;
    result_.tenancy_max = std::max(result_.tenancy_max, tenancy_);
  }

  void CountTenancy(Instant until) {
    if (until <= counted_until_) return;
    tenancy_time_ += Duration::Nanoseconds((until - counted_until_).nanoseconds() * tenancy_);
    counted_until_ = until;
  }

  void StartLoad() {
    if (loading_) return;
    std::optional<std::size_t> next;
    const auto rank = [this](std::size_t i) {
      const ApplicationState& state = states_[i];
      const Instant since = state.waiting.empty() ? Instant::Max() : state.waiting.front();
      return std::pair(since, state.queue_number);
    };
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (states_[i].queued && (!next || rank(i) < rank(*next))) next = i;
    }
    if (!next) return;
    loading_ = true;
    const Duration takes = VariantOf(*next).load_takes;
    turnover_.Loads(now_);
    ++result_.loads;
    result_.load_cpu += takes;
    Push({now_ + takes, EventKind::kLoaded, *next, 0});
  }

  const ResidentVariantView& VariantOf(std::size_t i) const {
    return models_[i].variants[static_cast<std::size_t>(models_[i].resident)];
  }

  void Procure(std::size_t i) {
    const ResidencyView view = View();
    settings_.policy->Procure(view, i, plan_);
    if (settings_.observe) settings_.observe({now_, i, plan_});
    Apply();
  }

  void Improve() {
    if (loading_ || now_ > End()) return;
    for (const ApplicationState& state : states_) {
      if (state.queued) return;
    }
    settings_.policy->Improve(View(), plan_);
    Apply();
  }

  // Events.

  void Loaded(std::size_t i) {
    ApplicationState& state = states_[i];
    loading_ = false;
    state.queued = false;
    SetUsable(i, models_[i].resident, models_[i].resident);
    Used(i);
    for (Instant since : state.waiting) Served(i, now_ - since);
    state.waiting.clear();
    ProcureForWaiting();
    Improve();
  }

  void Used(std::size_t i) {
    models_[i].credit = floor_ + GreedyDualWorth(VariantOf(i), Duration());
  }

  void Served(std::size_t i, Duration late) {
    const std::int32_t best = models_[i].variants.back().accuracy;
    const std::int32_t got =
        models_[i].variants[static_cast<std::size_t>(states_[i].usable)].accuracy;
    StudyTally& tally = result_.applications[i];
    tally.points_lost += best - got;
    tally.error += 100'000 - got;
    result_.late += std::min(late, settings_.penalties.lateness_max);
  }

  void Requested(std::size_t i) {
    ApplicationState& state = states_[i];
    StudyTally& tally = result_.applications[i];
    const std::vector<Instant>& requests = applications_[i].requests;
    if (++state.next_request < requests.size()) {
      Push({requests[state.next_request], EventKind::kRequest, i, 0});
    }
    ++tally.requests;
    models_[i].last_used = now_;
    if (Proactive()) Learn(i);
    if (state.usable >= models_[i].smallest_allowed) {
      ++tally.warm;
      Served(i, Duration());
      Used(i);
      Improve();
      return;
    }
    state.waiting.push_back(now_);
    if (state.queued) return;
    state.wanted_until = std::max(state.wanted_until, now_ + settings_.window);
    Procure(i);
    if (!state.queued && !loading_) FailWaiting(i);
  }

  void FailWaiting(std::size_t i) {
    std::vector<Instant>& waiting = states_[i].waiting;
    const auto count = static_cast<std::int64_t>(waiting.size());
    result_.applications[i].failed += count;
    result_.late += settings_.penalties.lateness_max * count;
    waiting.clear();
  }

  /// For those whose variants could not be made to fit while another load was under way, the first
  /// first.
  void ProcureForWaiting() {
    std::vector<std::pair<Instant, std::size_t>> lacking;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const ApplicationState& state = states_[i];
      if (!state.waiting.empty() && !state.queued) lacking.emplace_back(state.waiting.front(), i);
    }
    std::ranges::sort(lacking);
    for (const auto& [since, i] : lacking) Procure(i);
    StartLoad();
    for (const auto& [since, i] : lacking) {
      if (!states_[i].queued && !loading_) FailWaiting(i);
    }
  }

  void Learn(std::size_t i) {
    ApplicationState& state = states_[i];
    const bool foreseen = state.expected_from <= now_ && now_ <= state.expected_until;
    score_.Arrived(state.tested, now_);
    state.history.Record(now_, foreseen);
    if (Foretells()) {
      if (state.next_foretold < state.foretold.size() &&
          state.foretold[state.next_foretold] <= now_ + settings_.window) {
        ++state.next_foretold;
      }
    } else {
      ExpectNext(i);
    }
    score_.Test(state.tested, state.history, ForecastOf(state), now_, settings_.horizon);
  }

  void ExpectNext(std::size_t i) {
    ApplicationState& state = states_[i];
    const Instant next = ForecastOf(state).next;
    ++state.window;
    if (next == Instant::Max()) return;
    state.expected_at = next;
    Push({std::max(now_, next - settings_.window), EventKind::kWindowBegins, i, state.window});
  }

  void WindowBegins(std::size_t i, std::uint64_t number) {
    ApplicationState& state = states_[i];
    if (number != state.window) return;
    const Instant at = Foretells() ? now_ + settings_.window : state.expected_at;
    const bool was_wanted = now_ <= state.wanted_until;
    if (now_ > state.expected_until) state.expected_from = now_;
    state.expected_until = std::max(state.expected_until, at + settings_.window);
    state.wanted_until = std::max(state.wanted_until, state.expected_until);
    Push({state.wanted_until, EventKind::kWindowEnds, i, 0});
    if (was_wanted && state.usable == models_[i].resident && state.usable != kNoVariant) return;
    if (!state.queued) Procure(i);
  }

  void WindowEnds(std::size_t i) {
    ApplicationState& state = states_[i];
    if (now_ < state.wanted_until) return;
    // It did not come when it was expected: when is it now?
    if (!Foretells()) ExpectNext(i);
    Improve();
  }

  void Finish() {
    for (std::size_t i = 0; i < applications_.size(); ++i) {
      const StudyTally& tally = result_.applications[i];
      (applications_[i].by_labels ? result_.labelled : result_.stated) += tally;
      result_.all += tally;
    }
    const auto lasts = std::max<std::int64_t>(1, settings_.lasts.nanoseconds());
    result_.tenancy_mean =
        static_cast<double>(tenancy_time_.nanoseconds()) / static_cast<double>(lasts);
    result_.forecasts_were_poor = score_.poor();
  }

  const StudySettings& settings_;
  std::span<const StudyApplication> applications_;
  std::vector<ApplicationState> states_;
  std::vector<ResidentModelView> models_;
  std::priority_queue<StudyEvent, std::vector<StudyEvent>, std::greater<>> events_;
  ResidencyPlan plan_;
  ForecastScore score_;
  LoadTurnover turnover_;
  Instant now_;
  Bytes committed_;
  std::int64_t floor_ = 0;
  std::uint64_t queued_ = 0;
  bool loading_ = false;
  std::int64_t tenancy_ = 0;
  Instant counted_until_;
  Duration tenancy_time_;
  StudyResult result_;
};

double Ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

StudyTally& StudyTally::operator+=(const StudyTally& other) {
  requests += other.requests;
  warm += other.warm;
  failed += other.failed;
  points_lost += other.points_lost;
  error += other.error;
  return *this;
}

double StudyResult::warm_share() const { return Ratio(all.warm, all.requests); }
double StudyResult::mean_error() const { return Ratio(all.error, all.served()) / 1'000; }
double StudyTally::mean_points_lost() const { return Ratio(points_lost, served()) / 1'000; }

double StudyResult::worst_points_lost() const {
  double worst = 0;
  for (const StudyTally& tally : applications) {
    worst = std::max(worst, tally.mean_points_lost());
  }
  return worst;
}

double StudyResult::jain() const {
  double sum = 0;
  double squares = 0;
  double count = 0;
  for (const StudyTally& tally : applications) {
    if (tally.requests == 0) continue;
    const double share = Ratio(tally.warm, tally.requests);
    sum += share;
    squares += share * share;
    ++count;
  }
  return squares == 0 ? 1 : sum * sum / (count * squares);
}

double StudyResult::penalty_ms(const StudyPenalties& penalties) const {
  const double lateness = static_cast<double>(late.nanoseconds()) * 1e-6;
  const double points = static_cast<double>(all.points_lost) / 1'000 *
                        static_cast<double>(penalties.point.nanoseconds()) * 1e-6;
  const double cpu = static_cast<double>(load_cpu.nanoseconds()) * 1e-6 *
                     static_cast<double>(penalties.load_per_mille) / 1'000;
  return (lateness + points + cpu) / static_cast<double>(std::max<std::int64_t>(1, all.requests));
}

StudyResult StudyResidency(const StudySettings& settings,
                           std::span<const StudyApplication> applications) {
  return Study(settings, applications).Run();
}

}  // namespace cotenant
