#pragma once

/// The exponential function in integers, equal on every compiler.

#include <cstdint>

#include "base/time.h"

namespace cotenant {

inline constexpr std::int32_t kMillion = 1'000'000;

/// exp(-x), both in 2^-32, within 2e-9. Powers of 1/e for the whole part, the series for the rest.
constexpr std::uint64_t NegativeExponential(std::uint64_t x) {
  __extension__ using Wide = unsigned __int128;
  constexpr std::uint64_t kOne = std::uint64_t{1} << 32;
  constexpr std::uint64_t kInverseE = 1'580'030'169;  // 1 / e in 2^-32.
  const std::uint64_t whole = x >> 32;
  if (whole > 22) return 0;
  const std::uint64_t part = x & (kOne - 1);
  // 1 - part (1 - part / 2 (1 - part / 3 (…))), from the inside.
  std::uint64_t value = kOne;
  for (std::uint64_t n = 13; n > 0; --n) {
    value = kOne - static_cast<std::uint64_t>((Wide{part} * value) >> 32) / n;
  }
  for (std::uint64_t i = 0; i < whole; ++i) {
    value = static_cast<std::uint64_t>((Wide{value} * kInverseE) >> 32);
  }
  return value;
}

/// The chance of at least one request within `span`, per million, when they come independently,
/// `mean` apart on average.
constexpr std::int32_t ChanceWithin(Duration span, Duration mean) {
  __extension__ using Wide = unsigned __int128;
  if (span <= Duration()) return 0;
  if (mean <= Duration() || span / 22 >= mean) return kMillion;
  const auto x =
      static_cast<std::uint64_t>((Wide(span.nanoseconds()) << 32) / Wide(mean.nanoseconds()));
  const std::uint64_t none = NegativeExponential(x);
  return kMillion - static_cast<std::int32_t>((none * kMillion) >> 32);
}

}  // namespace cotenant
