#include "catalog/prepared.h"

#include <algorithm>

namespace cotenant {
namespace {

// Less is noise.
constexpr double kLessMemory = 0.97;
constexpr double kLessRun = 0.95;
constexpr double kLessLoad = 0.8;

bool Less(std::int64_t one, std::int64_t other, double share) {
  return static_cast<double>(one) < static_cast<double>(other) * share;
}

/// Of all shapes together: what is as fast with one row may be slow with several.
Duration RunTime(const MeasuredForm& form) {
  Duration sum;
  for (const MeasuredShape& shape : form.shapes) sum += shape.run_takes;
  return form.shapes.empty() ? form.run_takes : sum;
}

/// Are its run times less than `share` of the other's?
bool Faster(const MeasuredForm& one, const MeasuredForm& other, double share) {
  return Less(RunTime(one).nanoseconds(), RunTime(other).nanoseconds(), share);
}

bool WinsSomething(const MeasuredForm& one, const MeasuredForm& over) {
  return Less(TakenBy(one).count(), TakenBy(over).count(), kLessMemory) ||
         Faster(one, over, kLessRun) ||
         Less(one.cost.load_takes.nanoseconds(), over.cost.load_takes.nanoseconds(), kLessLoad);
}

/// Too slow to serve in a network's place, against it or another form.
bool IsSlow(const MeasuredForm& form, const std::vector<PreparedForm>& forms,
            const PreparedNetwork& network) {
  return Faster(*network.shipped, form, 1 / kSlowerMost) ||
         std::ranges::any_of(forms, [&](const PreparedForm& other) {
           return other.accuracy.milli >= network.served_agreement_min &&
                  Faster(other.measured, form, 1 / kSlowerMost);
         });
}

/// The form that is to serve; none: the network as shipped is better.
const PreparedForm* BestOf(const std::vector<PreparedForm>& forms, const PreparedNetwork& network) {
  const MeasuredForm& shipped = *network.shipped;
  const PreparedForm* best = nullptr;
  const MeasuredForm* least = &shipped;
  for (const PreparedForm& form : forms) {
    if (form.accuracy.milli < network.served_agreement_min) continue;
    if (IsSlow(form.measured, forms, network) || !WinsSomething(form.measured, *least)) continue;
    const bool smaller = TakenBy(form.measured) <= TakenBy(*least);
    // As large as the network as shipped, but sooner there.
    const bool sooner = least == &shipped &&
                        !Less(TakenBy(*least).count(), TakenBy(form.measured).count(), kLessMemory);
    if (!smaller && !sooner) continue;
    best = &form;
    least = &form.measured;
  }
  return best;
}

}  // namespace

const PreparedForm* ExactForm(const PreparedNetwork& network) {
  const PreparedForm* least = nullptr;
  for (const PreparedForm& form : network.forms) {
    if (!IsExact(form)) continue;
    if (&form == &network.forms.front()) return &form;
    if (least == nullptr || TakenBy(form.measured) < TakenBy(least->measured)) least = &form;
  }
  return least;
}

PreparedNetwork ExactOnly(PreparedNetwork network) {
  network.served_agreement_min = kFullAccuracy;
  if (const PreparedForm* const first = ExactForm(network)) {
    const auto place = network.forms.begin() + (first - network.forms.data());
    std::rotate(network.forms.begin(), place, place + 1);
  }
  std::erase_if(network.forms, [](const PreparedForm& form) { return !IsExact(form); });
  return network;
}

bool SpeedIsInDoubt(const std::vector<PreparedForm>& tried, const PreparedNetwork& network) {
  return network.shipped && std::ranges::any_of(tried, [&](const PreparedForm& form) {
           return form.accuracy.milli >= network.served_agreement_min &&
                  Less(TakenBy(form.measured).count(), TakenBy(*network.shipped).count(),
                       kLessMemory) &&
                  IsSlow(form.measured, tried, network);
         });
}

void KeepLesserTimes(MeasuredForm& one, const MeasuredForm& again) {
  const std::size_t both = std::min(one.shapes.size(), again.shapes.size());
  for (std::size_t i = 0; i < both; ++i) {
    one.shapes[i].run_takes = std::min(one.shapes[i].run_takes, again.shapes[i].run_takes);
  }
  one.run_takes = std::min(one.run_takes, again.run_takes);
  one.cost.load_takes = std::min(one.cost.load_takes, again.cost.load_takes);
}

void KeepWinners(std::vector<PreparedForm> tried, PreparedNetwork& network) {
  const auto drop = [&network](const PreparedForm& form, std::string reason) {
    network.dropped.push_back({form.name, std::move(reason)});
  };
  std::vector<PreparedForm> kept;
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const PreparedForm& form = tried[i];
    if (form.accuracy.milli < kAgreementMin) {
      drop(form, "its answers agree in " + AccuracyText(form.accuracy.milli) + " % only");
      continue;
    }
    if (network.shipped && !WinsSomething(form.measured, *network.shipped)) {
      drop(form, "it wins neither memory nor time over the network as shipped");
      continue;
    }
    const auto beats = [&](const PreparedForm& other) {
      const std::size_t at = static_cast<std::size_t>(&other - tried.data());
      if (at == i || other.accuracy.milli < form.accuracy.milli) return false;
      if (WinsSomething(form.measured, other.measured)) return false;
      // Of two that are alike the first stays.
      return at < i || WinsSomething(other.measured, form.measured);
    };
    const auto better = std::ranges::find_if(tried, beats);
    if (better != tried.end()) {
      drop(form, "it wins neither memory nor time over '" + better->name + "'");
      continue;
    }
    kept.push_back(form);
  }
  const PreparedForm* best = network.shipped ? BestOf(kept, network) : nullptr;
  if (best == nullptr) {
    const auto would_serve = [&network](const PreparedForm& form) {
      return form.accuracy.milli >= network.served_agreement_min;
    };
    for (const PreparedForm& form : kept) {
      if (would_serve(form)) drop(form, "the network as shipped takes less, or is much faster");
    }
    std::erase_if(kept, would_serve);
  } else {
    std::rotate(kept.begin(), kept.begin() + (best - kept.data()),
                kept.begin() + (best - kept.data()) + 1);
  }
  network.forms = std::move(kept);
}

}  // namespace cotenant
