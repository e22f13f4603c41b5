#include "protocol/parameters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace cotenant {
namespace {

enum Own : std::size_t {
  kLatencyBound,
  kTenant,
  kTimeout,
  kPriority,
  kAccuracyBound,
  kEnergyBound,
  kExitWhen,
  kGuarantee,
  kIdempotencyKey,
  kVariant,
  kSequenceId,
  kSequenceStart,
  kSequenceEnd,
  kOwnCount,
};

constexpr std::array<std::string_view, kOwnCount> kNames = {
    "latency_bound_ms", "tenant",         "timeout",     "priority",        "accuracy_bound",
    "energy_bound_mj",  "exit_when",      "guarantee",   "idempotency_key", "variant",
    "sequence_id",      "sequence_start", "sequence_end"};

/// Triton's own: a client that sends them expects Triton's reply.
constexpr bool IsOurs(std::size_t which) {
  return which != kTimeout && which != kPriority && which < kSequenceId;
}

std::optional<std::size_t> Find(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return i;
  }
  return std::nullopt;
}

/// Does `header` spell "x-" and the name, with '-' for '_', in any case?
bool IsHeaderOf(std::string_view header, std::string_view name) {
  if (header.size() != name.size() + 2 || (header[0] | 0x20) != 'x' || header[1] != '-') {
    return false;
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = header[i + 2];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    if (lower != (name[i] == '_' ? '-' : name[i])) return false;
  }
  return true;
}

template <typename Number>
std::optional<Number> FromText(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

/// The finite number in a value, if there is one.
std::optional<double> NumberOf(const ParameterValue& value) {
  std::optional<double> number;
  if (const auto* i = std::get_if<std::int64_t>(&value)) number = static_cast<double>(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) number = static_cast<double>(*u);
  if (const auto* d = std::get_if<double>(&value)) number = *d;
  if (const auto* s = std::get_if<std::string_view>(&value)) number = FromText<double>(*s);
  if (number && !std::isfinite(*number)) return std::nullopt;
  return number;
}

Status Wrong(std::string_view name, const char* expected, const ParameterValue& value) {
  return InvalidArgument("parameter '" + std::string(name) + "' must be " + expected + ", not '" +
                         ToText(value) + "'");
}

Status NotBuilt(std::string_view name, const ParameterValue& value) {
  return Unimplemented("parameter '" + std::string(name) + "' is not supported yet, and '" +
                       ToText(value) + "' would change the result; leave it out");
}

/// The values that ask for nothing beyond what every request gets.
bool AsksForNothing(std::size_t which, const ParameterValue& value) {
  const auto* text = std::get_if<std::string_view>(&value);
  if (text != nullptr && text->empty()) return true;
  if (which == kGuarantee) {
    return text != nullptr && (*text == "best-effort" || *text == "at-most-once");
  }
  return false;
}

constexpr double kPointsMax = 100;
/// Of a sequence's name, in bytes: each is kept. The refusal says the number.
constexpr std::size_t kSequenceIdMax = 128;

}  // namespace

std::string ToText(const ParameterValue& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<std::int64_t>(&value)) return std::to_string(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return std::to_string(*u);
  if (const auto* d = std::get_if<double>(&value)) {
    std::array<char, 32> text{};
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), *d).ptr};
  }
  // A message repeats enough to find the place, not a megabyte.
  constexpr std::size_t kShownMax = 64;
  const std::string_view text = std::get<std::string_view>(value);
  return text.size() <= kShownMax ? std::string(text)
                                  : std::string(text.substr(0, kShownMax)) + "...";
}

Result<std::uint64_t> WholeNumber(std::string_view name, const ParameterValue& value,
                                  std::uint64_t low, std::uint64_t high) {
  std::optional<std::uint64_t> number;
  if (const auto* u = std::get_if<std::uint64_t>(&value)) number = *u;
  if (const auto* i = std::get_if<std::int64_t>(&value); i != nullptr && *i >= 0) {
    number = static_cast<std::uint64_t>(*i);
  }
  if (const auto* s = std::get_if<std::string_view>(&value)) {
    number = FromText<std::uint64_t>(*s);
  }
  // Above it a double cannot tell neighbours apart.
  constexpr double kExactMax = 9007199254740992.0;
  if (const auto* d = std::get_if<double>(&value);
      d != nullptr && *d >= 0 && *d <= kExactMax && std::floor(*d) == *d) {
    number = static_cast<std::uint64_t>(*d);
  }
  if (number && *number >= low && *number <= high) return *number;
  const std::string expected =
      "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  return Wrong(name, expected.c_str(), value);
}

Result<bool> Truth(std::string_view name, const ParameterValue& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b;
  if (const auto* s = std::get_if<std::string_view>(&value)) {
    if (*s == "true" || *s == "1") return true;
    if (*s == "false" || *s == "0") return false;
  }
  if (const auto number = NumberOf(value); number && (*number == 0 || *number == 1)) {
    return *number == 1;
  }
  return Wrong(name, "true or false", value);
}

Status ParameterReader::Take(std::string_view name, const ParameterValue& value) {
  const auto which = Find(name);
  return which ? TakeOwn(*which, value) : Status();
}

Status ParameterReader::TakeHeader(std::string_view name, std::string_view value) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (IsHeaderOf(name, kNames[i])) return TakeOwn(i, value);
  }
  return Status();
}

Status ParameterReader::TakeOwn(std::size_t which, const ParameterValue& value) {
  const std::string_view name = kNames[which];
  if (IsOurs(which)) wants_facts_ = true;
  switch (which) {
    case kLatencyBound: {
      const auto number = NumberOf(value);
      if (!number || *number <= 0 || *number > static_cast<double>(kBoundMax.milliseconds())) {
        return Wrong(name, "a number of milliseconds above 0 and at most 1000000000", value);
      }
      // A bound below a nanosecond is still a bound, and zero would mean none.
      const auto nanoseconds = std::max<std::int64_t>(1, std::llround(*number * 1e6));
      call_.bounds.latency = Duration::Nanoseconds(nanoseconds);
      return Status();
    }
    case kTimeout: {
      const auto most = static_cast<std::uint64_t>(kBoundMax.microseconds());
      auto number = WholeNumber(name, value, 0, most);
      if (!number.ok()) return number.status();
      call_.bounds.queue_timeout = Duration::Microseconds(static_cast<std::int64_t>(*number));
      return Status();
    }
    case kPriority: {
      auto number = WholeNumber(name, value, 0, UINT32_MAX);
      if (!number.ok()) return number.status();
      call_.priority = static_cast<std::uint32_t>(*number);
      return Status();
    }
    case kTenant: {
      const auto* text = std::get_if<std::string_view>(&value);
      if (text == nullptr) return Wrong(name, "a tenant's name as text", value);
      call_.tenant = *text;
      return Status();
    }
    case kVariant: {
      const auto* text = std::get_if<std::string_view>(&value);
      if (text == nullptr) return Wrong(name, "a variant's name as text", value);
      call_.variant = *text;
      return Status();
    }
    case kSequenceId: {
      // Zero and an empty text are no sequence.
      const auto* text = std::get_if<std::string_view>(&value);
      call_.sequence = text != nullptr ? std::string(*text) : ToText(value);
      if (call_.sequence == "0") call_.sequence.clear();
      if (call_.sequence.size() > kSequenceIdMax) {
        return Wrong(name, "at most 128 bytes", value);
      }
      return Status();
    }
    case kSequenceStart:
    case kSequenceEnd: {
      auto truth = Truth(name, value);
      if (!truth.ok()) return truth.status();
      (which == kSequenceStart ? call_.sequence_start : call_.sequence_end) = *truth;
      return Status();
    }
    case kAccuracyBound: {
      if (AsksForNothing(which, value)) return Status();
      const auto number = NumberOf(value);
      if (!number || *number < 0 || *number > kPointsMax) {
        return Wrong(name, "a number of points from 0 to 100", value);
      }
      // Rounded up: what is asked for is not given up.
      call_.bounds.accuracy = static_cast<std::int32_t>(std::ceil(*number * 1'000 - 1e-6));
      return Status();
    }
    default: return AsksForNothing(which, value) ? Status() : NotBuilt(name, value);
  }
}

void AppendMilliseconds(Duration span, std::string& out) {
  std::array<char, 32> text{};
  const auto whole = span.nanoseconds() / 1'000'000;
  auto fraction = span.nanoseconds() % 1'000'000;
  char* end = std::to_chars(text.data(), text.data() + text.size(), whole).ptr;
  if (fraction > 0) {
    *end++ = '.';
    for (std::int64_t digit = 100'000; fraction > 0; digit /= 10) {
      *end++ = static_cast<char>('0' + fraction / digit);
      fraction %= digit;
    }
  }
  out.append(text.data(), end);
}

}  // namespace cotenant
