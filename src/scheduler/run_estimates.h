#pragma once

/// What the brain has learnt of one model's run time, from warm-ups and finished runs only.
///
/// Runs are kept apart by their rows, in classes that double (1, 2, 3–4, 5–8 …). A class never seen
/// is answered from its neighbours: scaled up by rows from smaller runs, as it is from larger ones.
/// All integers.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "scheduler/quantile_window.h"

namespace cotenant {

class RunEstimates {
 public:
  /// Of a run that ended at `at`. Allocates when it has more rows than any before.
  void Learn(std::int32_t rows, Duration ran_for, Instant at);

  bool known() const { return known_; }
  /// So old that things may be different now, and a run to see costs little of the time since.
  /// Only when `known`.
  bool Stale(Instant now, std::int32_t rows) const;
  /// The fastest run ever seen with at most `rows` rows; zero when there is none.
  Duration Fastest(std::int32_t rows) const;
  /// Of a run with `rows` rows. Only when `known`.
  Duration P95(std::int32_t rows) const { return Percentile(rows, 95); }
  Duration P99(std::int32_t rows) const { return Percentile(rows, 99); }
  /// The recent mean time per row, as runs really were joined; zero when unknown. For sums of work
  /// ahead.
  Duration MeanPerRow() const { return mean_per_row_; }

 private:
  friend class Snapshot;
  struct RowClass {
    QuantileWindow window;
    Duration fastest;
    std::int32_t rows_least = 0;  ///< Fewest rows of a run seen in this class; zero: none seen.
  };

  static std::size_t ClassOf(std::int32_t rows) {
    return static_cast<std::size_t>(
        std::bit_width(static_cast<std::uint32_t>(std::max(rows, 1)) - 1));
  }
  Duration Percentile(std::int32_t rows, std::uint32_t percent) const {
    const std::size_t wanted = ClassOf(rows);
    const bool seen = wanted < classes_.size() && classes_[wanted].rows_least != 0;
    return seen ? classes_[wanted].window.Percentile(percent) : FromOthers(rows, percent);
  }
  /// Of rows whose class was never seen.
  Duration FromOthers(std::int32_t rows, std::uint32_t percent) const;

  std::vector<RowClass> classes_;
  Duration mean_per_row_;
  Instant learnt_at_;
  std::uint32_t learnt_ = 0;  ///< Saturates at 2.
  bool known_ = false;
};

}  // namespace cotenant
