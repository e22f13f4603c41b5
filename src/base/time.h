#pragma once

/// Time as exact integers of nanoseconds, so that simulated and live time are the same type and
/// every computation repeats bit for bit. Nothing here reads a clock: `now` is always a parameter.

#include <compare>
#include <cstdint>
#include <limits>

namespace cotenant {

/// A span of time. Overflow cannot happen below 292 years.
class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration Nanoseconds(std::int64_t n) { return Duration(n); }
  static constexpr Duration Microseconds(std::int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration Milliseconds(std::int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration Seconds(std::int64_t n) { return Duration(n * 1'000'000'000); }
  /// Longer than anything that is waited for.
  static constexpr Duration Max() { return Duration(std::numeric_limits<std::int64_t>::max() / 4); }

  constexpr std::int64_t nanoseconds() const { return ns_; }
  constexpr std::int64_t microseconds() const { return ns_ / 1'000; }
  constexpr std::int64_t milliseconds() const { return ns_ / 1'000'000; }
  constexpr double seconds() const { return static_cast<double>(ns_) * 1e-9; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return Duration(ns_ + other.ns_); }
  constexpr Duration operator-(Duration other) const { return Duration(ns_ - other.ns_); }
  constexpr Duration operator*(std::int64_t factor) const { return Duration(ns_ * factor); }
  constexpr Duration operator/(std::int64_t divisor) const { return Duration(ns_ / divisor); }
  constexpr Duration& operator+=(Duration other) {
    ns_ += other.ns_;
    return *this;
  }
  constexpr Duration& operator-=(Duration other) {
    ns_ -= other.ns_;
    return *this;
  }

 private:
  explicit constexpr Duration(std::int64_t ns) : ns_(ns) {}
  std::int64_t ns_ = 0;
};

/// A point in time: nanoseconds since an origin that only the driver knows (a monotonic clock's, or
/// the start of a simulation).
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanoseconds(std::int64_t n) { return Instant(n); }
  /// Later than every time that occurs: "never".
  static constexpr Instant Max() { return Instant(std::numeric_limits<std::int64_t>::max() / 2); }

  constexpr std::int64_t nanoseconds() const { return ns_; }

  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration span) const { return Instant(ns_ + span.nanoseconds()); }
  constexpr Instant operator-(Duration span) const { return Instant(ns_ - span.nanoseconds()); }
  constexpr Duration operator-(Instant other) const {
    return Duration::Nanoseconds(ns_ - other.ns_);
  }

 private:
  explicit constexpr Instant(std::int64_t ns) : ns_(ns) {}
  std::int64_t ns_ = 0;
};

}  // namespace cotenant
