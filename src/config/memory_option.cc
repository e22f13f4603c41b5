#include "config/memory_option.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace cotenant {

Result<Bytes> ParseSize(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  int shift = 0;
  if (unit == "K" || unit == "KiB") shift = 10;
  if (unit == "M" || unit == "MiB") shift = 20;
  if (unit == "G" || unit == "GiB") shift = 30;
  const bool known = unit.empty() || shift > 0;
  if (error != std::errc() || !known || number < 1 || number > (std::int64_t{1} << 40 >> shift)) {
    return InvalidArgument("expected a size such as 65536, 64KiB or 64MiB, at most 1024GiB, got '" +
                           text + "'");
  }
  return Bytes(number << shift);
}

Result<MemoryOption> ParseMemoryOption(const std::string& text) {
  MemoryOption option;
  if (text == "0") return option;
  if (text == "unlimited") {
    option.kind = MemoryOption::Kind::kUnlimited;
    return option;
  }
  if (text.ends_with('%')) {
    const char* end = text.data() + text.size() - 1;
    const auto [stop, error] = std::from_chars(text.data(), end, option.percent);
    if (error == std::errc() && stop == end && option.percent >= 1 && option.percent <= 100) {
      return option;
    }
  } else if (Result<Bytes> size = ParseSize(text); size.ok()) {
    option.kind = MemoryOption::Kind::kSize;
    option.size = *size;
    return option;
  }
  return InvalidArgument(
      "expected a size such as 512MiB, a share such as 60%, 'unlimited', or 0 for "
      "80%, got '" +
      text + "'");
}

Bytes BudgetOf(const MemoryOption& option, std::optional<Bytes> limit, Bytes available) {
  switch (option.kind) {
    case MemoryOption::Kind::kUnlimited: return Bytes();
    case MemoryOption::Kind::kSize: return option.size;
    case MemoryOption::Kind::kShare: break;
  }
  const Bytes most = limit ? std::min(*limit, available) : available;
  return Bytes(most.count() * option.percent / 100);
}

}  // namespace cotenant
