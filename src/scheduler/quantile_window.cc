#include "scheduler/quantile_window.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {

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

Duration QuantileWindow::Percentile(std::uint32_t percent) const {
  COTENANT_CHECK(size_ > 0);
  const std::uint32_t rank = (size_ * percent + 99) / 100;
  return Duration::Nanoseconds(sorted_[std::max(rank, 1U) - 1]);
}

void QuantileWindow::ReplaceSorted(std::int64_t old, std::int64_t sample) {
  const auto end = sorted_.begin() + size_;
  const auto from = std::lower_bound(sorted_.begin(), end, old);
  COTENANT_CHECK(from != end && *from == old);
  const auto to = std::lower_bound(sorted_.begin(), end, sample);
  if (to > from) {
    std::copy(from + 1, to, from);
    *(to - 1) = sample;
  } else {
    std::copy_backward(to, from, from + 1);
    *to = sample;
  }
}

void QuantileWindow::InsertSorted(std::int64_t sample) {
  const auto end = sorted_.begin() + size_;
  const auto at = std::lower_bound(sorted_.begin(), end, sample);
  std::copy_backward(at, end, end + 1);
  *at = sample;
  ++size_;
}

}  // namespace cotenant
