#include "scheduler/quantile_window.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {
namespace {

/// How many of ascending values are below `value`. Without a branch that depends on them: where a
/// run time lies among others is as good as random, and a processor guesses half of it wrongly.
std::size_t Below(const std::int64_t* values, std::size_t count, std::int64_t value) {
  if (count == 0) return 0;
  const std::int64_t* from = values;
  while (count > 1) {
    const std::size_t half = count / 2;
    from += static_cast<std::size_t>(from[half - 1] < value) * half;
    count -= half;
  }
  return static_cast<std::size_t>(from - values) + static_cast<std::size_t>(*from < value);
}

}  // namespace

void QuantileWindow::Add(Duration sample) {
  const std::int64_t value = sample.nanoseconds();
  if (first_kept_) {
    first_kept_ = false;
    ReplaceSorted(by_age_[0], value);
    by_age_[0] = value;
    return;
  }
  if (size_ == kSamplesMax) {
    ReplaceSorted(by_age_[next_], value);
  } else {
    first_kept_ = size_ == 0;
    InsertSorted(value);
  }
  by_age_[next_] = value;
  next_ = (next_ + 1) % kSamplesMax;
}

void QuantileWindow::ReplaceSorted(std::int64_t old, std::int64_t sample) {
  if (old == sample) return;
  const std::size_t from = Below(sorted_.data(), size_, old);
  COTENANT_CHECK(from < size_ && sorted_[from] == old);
  const std::size_t to = Below(sorted_.data(), size_, sample);
  const auto at = [this](std::size_t place) {
    return sorted_.begin() + static_cast<std::ptrdiff_t>(place);
  };
  if (to > from) {
    std::copy(at(from + 1), at(to), at(from));
    sorted_[to - 1] = sample;
  } else {
    std::copy_backward(at(to), at(from), at(from + 1));
    sorted_[to] = sample;
  }
}

void QuantileWindow::InsertSorted(std::int64_t sample) {
  const auto end = sorted_.begin() + size_;
  const auto at =
      sorted_.begin() + static_cast<std::ptrdiff_t>(Below(sorted_.data(), size_, sample));
  std::copy_backward(at, end, end + 1);
  *at = sample;
  ++size_;
}

}  // namespace cotenant
