#pragma once

/// An amount of memory. Signed, so that a difference has its type too.

#include <compare>
#include <cstdint>

namespace cotenant {

class Bytes {
 public:
  constexpr Bytes() = default;
  explicit constexpr Bytes(std::int64_t count) : count_(count) {}
  static constexpr Bytes KiB(std::int64_t n) { return Bytes(n << 10); }
  static constexpr Bytes MiB(std::int64_t n) { return Bytes(n << 20); }

  constexpr std::int64_t count() const { return count_; }

  constexpr auto operator<=>(const Bytes&) const = default;
  constexpr Bytes operator+(Bytes other) const { return Bytes(count_ + other.count_); }
  constexpr Bytes operator-(Bytes other) const { return Bytes(count_ - other.count_); }
  constexpr Bytes& operator+=(Bytes other) {
    count_ += other.count_;
    return *this;
  }
  constexpr Bytes& operator-=(Bytes other) {
    count_ -= other.count_;
    return *this;
  }

 private:
  std::int64_t count_ = 0;
};

}  // namespace cotenant
