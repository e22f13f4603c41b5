#include "base/shape.h"

namespace cotenant {

std::int64_t Shape::ElementCount() const {
  std::int64_t count = 1;
  for (std::int64_t dim : dims()) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) return -1;
  }
  return count;
}

std::string Shape::ToString() const {
  std::string text = "[";
  for (std::size_t i = 0; i < rank_; ++i) {
    if (i > 0) text += ',';
    text += std::to_string(dims_[i]);
  }
  return text + "]";
}

}  // namespace cotenant
