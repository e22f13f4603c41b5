#include "scheduler/run_estimates.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {
namespace {

/// Weight of a new run in the mean: after a change, half of it is learnt in 11 runs.
constexpr std::int64_t kMeanShare = 16;

/// Estimates are stale after so long without a run, and not before so many runs' time: looking
/// again takes at most a twentieth of a slot.
constexpr Duration kStaleAfter = Duration::Seconds(1);
constexpr std::int64_t kStaleRuns = 20;

}  // namespace

void RunEstimates::Learn(std::int32_t rows, Duration ran_for, Instant at) {
  learnt_at_ = std::max(learnt_at_, at);
  ran_for = std::max(ran_for, Duration::Nanoseconds(1));
  if (ClassOf(rows) >= classes_.size()) classes_.resize(ClassOf(rows) + 1);
  RowClass& seen = classes_[ClassOf(rows)];
  const bool first = seen.rows_least == 0;
  seen.fastest = first ? ran_for : std::min(seen.fastest, ran_for);
  seen.rows_least = first ? rows : std::min(seen.rows_least, rows);
  seen.window.Add(ran_for);
  const Duration per_row = rows <= 1 ? ran_for : std::max(ran_for / rows, Duration::Nanoseconds(1));
  // As in the window, the second run replaces the first.
  if (learnt_ < 2) {
    mean_per_row_ = per_row;
    ++learnt_;
  } else {
    const std::int64_t step = (per_row - mean_per_row_).nanoseconds();
    // Rounded away from zero, so that small differences are learnt too.
    const std::int64_t away = step >= 0 ? kMeanShare - 1 : 1 - kMeanShare;
    mean_per_row_ += Duration::Nanoseconds((step + away) / kMeanShare);
  }
  known_ = true;
}

bool RunEstimates::Stale(Instant now, std::int32_t rows) const {
  return now - learnt_at_ >= std::max(kStaleAfter, P95(rows) * kStaleRuns);
}

Duration RunEstimates::Fastest(std::int32_t rows) const {
  Duration fastest;
  for (const RowClass& seen : classes_) {
    if (seen.rows_least == 0 || seen.rows_least > rows) continue;
    if (fastest == Duration() || seen.fastest < fastest) fastest = seen.fastest;
  }
  return fastest;
}

Duration RunEstimates::FromOthers(std::int32_t rows, std::uint32_t percent) const {
  COTENANT_CHECK(known_);
  const std::size_t wanted = ClassOf(rows);
  for (std::size_t i = std::min(wanted, classes_.size()); i-- > 0;) {
    const RowClass& seen = classes_[i];
    if (seen.rows_least == 0) continue;
    const Duration found = seen.window.Percentile(percent);
    if (rows <= seen.rows_least) return found;
    return found * rows / seen.rows_least;
  }
  for (std::size_t i = wanted + 1; i < classes_.size(); ++i) {
    if (classes_[i].rows_least != 0) return classes_[i].window.Percentile(percent);
  }
  COTENANT_CHECK(false);
  return {};
}

}  // namespace cotenant
