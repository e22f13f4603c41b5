#pragma once

/// Decides which form of which model is in memory.
///
/// A model has variants, from its smallest to its best; at most one of them is resident, or none.
/// A policy is asked when a request finds no variant of its model (reactive), when one is expected
/// soon (proactive), and when memory must be given back. It answers with changes; what it may take
/// away, and what must fit, is checked by the scheduler, which also orders the changes (first what
/// frees memory) and never takes a variant away under a run. Stateless and deterministic: all that
/// was learnt is in the view. Integers only. Ties go to the model of the smaller index.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

/// No variant: the model is out of memory.
inline constexpr std::int32_t kNoVariant = -1;

/// One form of a model. Ascending in size within a model, and then never worse in accuracy.
struct ResidentVariantView {
  /// What it costs while resident: mapped and anonymous memory, and the peak of its largest run.
  Bytes size;
  /// Points of the task's own measure, in thousandths (76.6 points: 76,600). Zero: unknown.
  std::int32_t accuracy = 0;
  /// CPU time of a load.
  Duration load_takes;
};

/// What is expected of one model's requests; see prediction.h.
struct RequestForecast {
  /// When the next one is expected; `Instant::Max()`: not foreseen.
  Instant next = Instant::Max();
  /// Chance of at least one within the horizon, per million.
  std::int32_t chance = 0;
  /// Chance of one outside what was foreseen (before or after the window), per million.
  std::int32_t chance_unforeseen = 0;
  /// Requests expected within the horizon, in thousandths.
  std::int64_t requests = 0;
};

struct ResidentModelView {
  /// Ascending in size. Never empty.
  std::span<const ResidentVariantView> variants;
  std::int32_t resident = kNoVariant;  ///< Index into `variants`; also while it loads.
  /// The smallest variant that meets the accuracy its tenants ask for.
  std::int32_t smallest_allowed = 0;
  /// May not be changed now: pinned, loading, or wanted by requests that wait. Not looked at for
  /// the model that is asked about.
  bool held = false;
  /// Requests wait for it now: what it takes to load comes late by the whole load.
  bool waiting = false;
  /// A request is expected about now, or was: between `next − window` and `next + window`.
  bool wanted = false;
  Instant last_used;  ///< Arrival of its last request; zero: never.
  /// Grows with use and cost of a reload, for greedy-dual: see policy/greedy_dual_credit.h.
  std::int64_t credit = 0;
  /// What a request that finds nothing costs beyond a load, and one point of accuracy lost, both as
  /// lateness.
  Duration cold_penalty;
  Duration point_penalty;
  RequestForecast forecast;
};

struct ResidencyView {
  Instant now;
  Duration window;   ///< Δ of Edge-MultiAI: half of a wanted window.
  Duration horizon;  ///< How far forecasts look.
  Bytes total;       ///< What variants may take, all together.
  Bytes free;        ///< Of it: not taken by residents and loads. Never negative.
  std::span<const ResidentModelView> models;
  /// What CPU time of loads costs, in thousandths of the same lateness.
  std::int32_t load_penalty_per_mille = 0;
  /// How much of it one more load counts for, in thousandths: see policy/load_turnover.h.
  std::int64_t load_weight_per_mille = 500;
  /// The predictor was lately worse than a constant rate: see policy/forecast_score.h.
  bool forecast_is_poor = false;
};

/// The model's resident variant becomes this one.
struct ResidencyChange {
  std::size_t model = 0;
  std::int32_t variant = kNoVariant;
};

/// The plan of one question. Changes are applied together, or not at all.
struct ResidencyPlan {
  /// At most one per model, never to the variant that it has. Empty: leave everything as it is.
  std::vector<ResidencyChange> changes;
  /// Procure only: what of the asked model was chosen (also when it is resident already), or
  /// kNoVariant when nothing that is allowed can be made to fit.
  std::int32_t chosen = kNoVariant;
};

/// What a policy goes by when it chooses who leaves, for whoever asks why.
struct LeavingFigure {
  std::string_view name;  ///< With its unit: "ms unused".
  std::int64_t value = 0;
  std::int64_t order = 0;  ///< The one with least leaves first.
};

class ResidencyPolicy {
 public:
  virtual ~ResidencyPolicy() = default;
  /// As written in configuration files and traces. Never reused for another behaviour.
  virtual std::string_view name() const = 0;
  virtual std::string_view description() const = 0;
  /// Where it comes from: author, venue, year. Empty: our own.
  virtual std::string_view paper() const { return {}; }
  /// Is it asked ahead of expected requests, and does it look at forecasts?
  virtual bool proactive() const { return false; }
  /// `model` has no resident variant that a request (here, or expected:
  /// `view.models[model].wanted`) can use, or a better one may be had. `plan` is cleared first; a
  /// buffer of the caller's.
  virtual void Procure(const ResidencyView& view, std::size_t model, ResidencyPlan& plan) const = 0;
  /// So many bytes must be given back, from models that are not held; by none of its own changes
  /// does a model grow. Less is freed only when there is no more to take.
  virtual void Release(const ResidencyView& view, Bytes bytes, ResidencyPlan& plan) const = 0;
  /// Memory became free, a load or a window ended: may anything be had that is worth its load?
  /// Asked again after each load that follows. Default: no.
  virtual void Improve(const ResidencyView& view, ResidencyPlan& plan) const {
    static_cast<void>(view);
    plan.changes.clear();
    plan.chosen = kNoVariant;
  }
  /// Of a resident model that may leave, where `need` is asked for: as near as one number comes to
  /// what was compared. Default: how long ago it was used.
  virtual LeavingFigure FigureOf(const ResidencyView& view, std::size_t model, Bytes need) const {
    static_cast<void>(need);
    const Instant used = view.models[model].last_used;
    return {"ms unused", (view.now - used).milliseconds(), used.nanoseconds()};
  }
};

}  // namespace cotenant
