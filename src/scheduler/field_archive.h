#pragma once

/// Values to bytes and back, field by field: what event logs and snapshots are written with.
///
/// A type is described once, by a `VisitFields(archive, value)` that names its fields to an
/// archive; `FieldWriter` and `FieldReader` are the two archives. Numbers are varints (LEB128,
/// signed ones zigzagged), instants are distances from the archive's origin. The reader trusts
/// nothing: after the first wrong byte it gives zeros and keeps the offset and what was wrong; it
/// never takes more memory than some hundred times the bytes it reads.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace cotenant {

/// `T` or `const T`: for a `VisitFields` that serves both archives.
template <typename T, typename U>
concept MaybeConst = std::same_as<std::remove_const_t<T>, U>;

/// The last enumerator, for enumerations that are not plain numbers. Specialised beside the
/// `VisitFields` that use them.
template <typename Enum>
inline constexpr Enum kLastOf =
    static_cast<Enum>(std::numeric_limits<std::underlying_type_t<Enum>>::max());

/// An error about what stands at an offset of a log.
inline Status AtOffset(std::size_t offset, const Status& status) {
  return Status(status.code(), "offset " + std::to_string(offset) + ": " + status.message());
}

constexpr std::uint64_t Zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t Unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (0 - (value & 1)));
}

/// Appends to a string, in pieces: all of it is there after `Flush`, or when the writer has gone.
class FieldWriter {
 public:
  static constexpr bool kReads = false;
  explicit FieldWriter(std::string& out, Instant origin = {}) : out_(out), origin_(origin) {}
  ~FieldWriter() { Flush(); }
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  void operator()(const auto&... fields) { (Put(fields), ...); }
  void Flush() { out_.append(TakeHeld()); }
  /// What is not in the string yet, to be put elsewhere: all, as long as that has got nothing.
  /// Valid until the next field.
  std::string_view TakeHeld() {
    const std::string_view held(held_.data(), static_cast<std::size_t>(at_ - held_.data()));
    at_ = held_.data();
    return held;
  }
  void SetOrigin(Instant origin) { origin_ = origin; }
  void Varint(std::uint64_t value) {
    MakeRoom();
    if (value < 0x80) {
      *at_++ = static_cast<char>(value);
    } else {
      at_ = PutLong(value, at_);
    }
  }
  /// Eight bytes: for numbers that use all their bits.
  void Fixed(const std::uint64_t& value) {
    MakeRoom();
    for (int i = 0; i < 8; ++i) at_[i] = static_cast<char>(value >> (8 * i));
    at_ += 8;
  }

 private:
  template <typename T>
  void Put(const T& value) {
    if constexpr (std::same_as<T, RequestId>) {
      // The live server numbers requests by place and generation, in one half each.
      const auto number = static_cast<std::uint64_t>(value);
      Varint(number & 0xffffffffU);
      Varint(number >> 32);
    } else if constexpr (std::is_enum_v<T> || std::unsigned_integral<T>) {
      Varint(static_cast<std::uint64_t>(value));
    } else if constexpr (std::signed_integral<T>) {
      Varint(Zigzag(value));
    } else {
      PutObject(value);
    }
  }
  void PutObject(Duration value) { Varint(Zigzag(value.nanoseconds())); }
  void PutObject(Bytes value) { Varint(Zigzag(value.count())); }
  void PutObject(Instant value) {
    // Zero is "never", which would else be the longest number.
    if (value == Instant::Max()) return Varint(0);
    const auto from = static_cast<std::uint64_t>(origin_.nanoseconds());
    const auto distance = static_cast<std::uint64_t>(value.nanoseconds()) - from;
    Varint(Zigzag(static_cast<std::int64_t>(distance)) + 1);
  }
  template <typename Id>
    requires std::is_enum_v<Id>
  void PutObject(const std::optional<Id>& value) {
    Varint(value ? ToIndex(*value) + std::uint64_t{1} : 0);
  }
  void PutObject(const std::string& value) {
    Varint(value.size());
    Flush();
    out_.append(value);
  }
  template <typename T>
  void PutObject(const std::vector<T>& values) {
    Varint(values.size());
    for (const T& value : values) Put(value);
  }
  template <typename Key, typename T>
  void PutObject(const std::map<Key, T>& values) {
    Varint(values.size());
    for (const auto& [key, value] : values) (*this)(key, value);
  }
  template <typename T>
  void PutObject(const T& value) {
    VisitFields(*this, value);
  }
  void MakeRoom() {
    if (held_.data() + held_.size() - at_ < kNumberMax) [[unlikely]] {
      Flush();
    }
  }
  /// A number of several bytes. Gives back where it ends.
  static char* PutLong(std::uint64_t value, char* at) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
    *at++ = static_cast<char>(value);
    return at;
  }

  static constexpr std::ptrdiff_t kNumberMax = 10;  ///< Bytes of the longest number.
  std::string& out_;
  Instant origin_;
  // A call of `append` for each number would cost more than the number.
  std::array<char, 512> held_;
  char* at_ = held_.data();
};

class FieldReader {
 public:
  static constexpr bool kReads = true;
  /// `base` is where `bytes` begins in its file, for messages.
  explicit FieldReader(std::string_view bytes, std::size_t base = 0, Instant origin = {})
      : bytes_(bytes), base_(base), origin_(origin) {}

  void operator()(auto&... fields) { (Get(fields), ...); }
  std::uint64_t Varint();
  void Fixed(std::uint64_t& value);
  /// How many elements follow: never more than bytes are left.
  std::size_t Count();
  /// The bytes from an earlier `at()` to here.
  std::string_view Since(std::size_t at) const { return bytes_.substr(at, at_ - at); }
  void SetOrigin(Instant origin) { origin_ = origin; }

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }
  bool ok() const { return wrong_ == nullptr; }
  /// Keeps the first thing that was wrong; `what` lives for ever. Nothing is read any more.
  void Fail(const char* what);
  /// "offset 17: …" when anything was wrong.
  Status status() const;

 private:
  template <typename T>
  void Get(T& value) {
    if constexpr (std::same_as<T, RequestId>) {
      const std::uint64_t low = Varint();
      const std::uint64_t high = Varint();
      if (low > 0xffffffffU || high > 0xffffffffU) return Fail("a request's number is too large");
      value = T{high << 32 | low};
    } else if constexpr (std::is_enum_v<T>) {
      const std::uint64_t number = Varint();
      if (number > static_cast<std::uint64_t>(kLastOf<T>)) return Fail("no such enumerator");
      value = static_cast<T>(number);
    } else if constexpr (std::same_as<T, bool>) {
      const std::uint64_t number = Varint();
      if (number > 1) return Fail("a truth value is 0 or 1");
      value = number == 1;
    } else if constexpr (std::unsigned_integral<T>) {
      const std::uint64_t number = Varint();
      if (number > std::numeric_limits<T>::max()) return Fail("a number is too large");
      value = static_cast<T>(number);
    } else if constexpr (std::signed_integral<T>) {
      const std::int64_t number = Unzigzag(Varint());
      if (!std::in_range<T>(number)) return Fail("a number is too large");
      value = static_cast<T>(number);
    } else {
      GetObject(value);
    }
  }
  void GetObject(Duration& value) { value = Duration::Nanoseconds(Unzigzag(Varint())); }
  void GetObject(Bytes& value) { value = Bytes(Unzigzag(Varint())); }
  void GetObject(Instant& value) {
    const std::uint64_t number = Varint();
    if (number == 0) {
      value = Instant::Max();
      return;
    }
    const auto distance = static_cast<std::uint64_t>(Unzigzag(number - 1));
    const auto from = static_cast<std::uint64_t>(origin_.nanoseconds());
    value = Instant::FromNanoseconds(static_cast<std::int64_t>(from + distance));
  }
  template <typename Id>
    requires std::is_enum_v<Id>
  void GetObject(std::optional<Id>& value) {
    const std::uint64_t number = Varint();
    if (number > 0xffffffffU) return Fail("a number of a model or tenant is too large");
    value.reset();
    if (number > 0) value = static_cast<Id>(number - 1);
  }
  void GetObject(std::string& value);
  template <typename T>
  void GetObject(std::vector<T>& values) {
    values.clear();
    for (std::size_t count = Count(); count > 0 && ok(); --count) {
      T value{};
      Get(value);
      values.push_back(std::move(value));
    }
  }
  template <typename Key, typename T>
  void GetObject(std::map<Key, T>& values) {
    values.clear();
    for (std::size_t count = Count(); count > 0 && ok(); --count) {
      Key key{};
      T value{};
      (*this)(key, value);
      const bool rising = values.empty() || values.rbegin()->first < key;
      if (!rising) return Fail("keys are not in order");
      values.emplace_hint(values.end(), key, std::move(value));
    }
  }
  template <typename T>
  void GetObject(T& value) {
    VisitFields(*this, value);
  }

  std::string_view bytes_;
  std::size_t base_;
  Instant origin_;
  std::size_t at_ = 0;
  const char* wrong_ = nullptr;
  std::size_t wrong_at_ = 0;
};

}  // namespace cotenant
