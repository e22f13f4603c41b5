#pragma once

/// Exponentially distributed spans in exact integers, equal on every compiler.
///
/// By inversion: -ln(u) of an even u in (0, 1], as the place of the leading bit plus the logarithm
/// of what follows it, from a table of 512 steps with linear interpolation. The table is made by
/// the compiler with the bit-by-bit logarithm of Knuth (The Art of Computer Programming 1, 1.2.2,
/// exercise 25: square, and note each time whether 2 was passed). Values are within 7e-7 of -ln(u),
/// and at most 64 ln 2 = 44 means long.

#include <array>
#include <bit>
#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace cotenant {

/// log2(1 + i / 512), in 2^-32, for i = 0 … 512.
inline constexpr int kLogTableBits = 9;
inline constexpr std::array<std::uint64_t, (1U << kLogTableBits) + 1> kLogTable = [] {
  std::array<std::uint64_t, (1U << kLogTableBits) + 1> table{};
  __extension__ using Wide = unsigned __int128;
  for (std::size_t i = 0; i + 1 < table.size(); ++i) {
    // 1 + i / 512, in 2^-62.
    std::uint64_t x = (std::uint64_t{1} << 62) + (std::uint64_t{i} << (62 - kLogTableBits));
    for (int bit = 0; bit < 32; ++bit) {
      const auto square = static_cast<std::uint64_t>((Wide{x} * x) >> 62);
      const bool passed = square >> 63 != 0;
      table[i] = table[i] * 2 + (passed ? 1 : 0);
      x = passed ? square >> 1 : square;
    }
  }
  table.back() = std::uint64_t{1} << 32;
  return table;
}();

/// -ln((bits + 1) / 2^64) in 2^-32.
constexpr std::uint64_t NegativeLog(std::uint64_t bits) {
  __extension__ using Wide = unsigned __int128;
  constexpr std::uint64_t kLn2 = 2977044472;  // ln 2 in 2^-32.
  if (bits == ~std::uint64_t{0}) return 0;
  const std::uint64_t u = bits + 1;
  const int zeros = std::countl_zero(u);
  const std::uint64_t after = (u << zeros) << 1;  // What follows the leading bit, in 2^-64.
  const std::size_t step = after >> (64 - kLogTableBits);
  const std::uint64_t part = (after << kLogTableBits) >> 32;  // Between two steps, in 2^-32.
  const std::uint64_t low = kLogTable[step];
  const std::uint64_t log = low + (((kLogTable[step + 1] - low) * part) >> 32);
  const std::uint64_t log2 = ((static_cast<std::uint64_t>(zeros) + 1) << 32) - log;
  return static_cast<std::uint64_t>((Wide{log2} * kLn2) >> 32);
}

/// At most Duration::Max().
constexpr Duration DrawExponential(Random& random, Duration mean) {
  __extension__ using Wide = unsigned __int128;
  const Wide span =
      (Wide{NegativeLog(random.Next())} * static_cast<std::uint64_t>(mean.nanoseconds())) >> 32;
  constexpr auto kMost = static_cast<std::uint64_t>(Duration::Max().nanoseconds());
  return Duration::Nanoseconds(static_cast<std::int64_t>(span < kMost ? span : kMost));
}

}  // namespace cotenant
