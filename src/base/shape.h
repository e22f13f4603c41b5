#pragma once

/// The dimensions of a tensor, held in place: no request allocates for a shape.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/check.h"

namespace cotenant {

/// Raise it when a real network has tensors of higher rank; every request carries this many words.
inline constexpr std::size_t kTensorRankMax = 8;

/// At most `kTensorRankMax` dimensions. -1 means "any" in a model's declaration, never in a
/// request.
class Shape {
 public:
  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> dims) {
    for (std::int64_t dim : dims) Append(dim);
  }

  /// False when the rank is full; the shape is then unchanged.
  constexpr bool TryAppend(std::int64_t dim) {
    if (rank_ == kTensorRankMax) return false;
    dims_[rank_++] = dim;
    return true;
  }
  constexpr void Append(std::int64_t dim) { COTENANT_CHECK(TryAppend(dim)); }

  constexpr std::size_t rank() const { return rank_; }
  constexpr bool empty() const { return rank_ == 0; }
  constexpr std::int64_t operator[](std::size_t i) const { return dims_[i]; }
  constexpr std::int64_t& operator[](std::size_t i) { return dims_[i]; }
  constexpr std::span<const std::int64_t> dims() const& { return {dims_.data(), rank_}; }
  /// A view of a temporary's dimensions would dangle.
  std::span<const std::int64_t> dims() const&& = delete;

  /// The number of elements, or -1 when a dimension is negative or the product overflows.
  std::int64_t ElementCount() const;
  /// As written in messages: "[1,3,-1]".
  std::string ToString() const;

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    return std::ranges::equal(a.dims(), b.dims());
  }

 private:
  std::array<std::int64_t, kTensorRankMax> dims_{};
  std::size_t rank_ = 0;
};

}  // namespace cotenant
