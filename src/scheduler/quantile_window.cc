#include "scheduler/quantile_window.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {

void QuantileWindow::Add(Duration sample) {
  const std::int64_t value = sample.nanoseconds();
  if (first_kept_) {
    first_kept_ = false;
    RemoveSorted(by_age_[0]);
    by_age_[0] = value;
    InsertSorted(value);
    return;
  }
  if (size_ == kSamplesMax) {
    RemoveSorted(by_age_[next_]);
  } else {
    first_kept_ = size_ == 0;
  }
  by_age_[next_] = value;
  next_ = (next_ + 1) % kSamplesMax;
  InsertSorted(value);
}

Duration QuantileWindow::Percentile(std::uint32_t percent) const {
  COTENANT_CHECK(size_ > 0);
  const std::uint32_t rank = (size_ * percent + 99) / 100;
  return Duration::Nanoseconds(sorted_[std::max(rank, 1U) - 1]);
}

void QuantileWindow::RemoveSorted(std::int64_t sample) {
  const auto end = sorted_.begin() + size_;
  const auto at = std::lower_bound(sorted_.begin(), end, sample);
  COTENANT_CHECK(at != end && *at == sample);
  std::copy(at + 1, end, at);
  --size_;
}

void QuantileWindow::InsertSorted(std::int64_t sample) {
  const auto end = sorted_.begin() + size_;
  const auto at = std::lower_bound(sorted_.begin(), end, sample);
  std::copy_backward(at, end, end + 1);
  *at = sample;
  ++size_;
}

}  // namespace cotenant
