#pragma once

/// `--memory`: how much memory the server may take, as it was asked for.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace cotenant {

struct MemoryOption {
  enum class Kind : unsigned char { kShare, kSize, kUnlimited };
  Kind kind = Kind::kShare;
  std::int32_t percent = 80;  ///< kShare: of what the machine and the cgroup leave.
  Bytes size;                 ///< kSize.
};

/// "512MiB", "60%", "unlimited", or "0" for the default share.
Result<MemoryOption> ParseMemoryOption(const std::string& text);

/// The budget in bytes; zero for none. `limit` is the cgroup's, `available` what new programs could
/// take.
Bytes BudgetOf(const MemoryOption& option, std::optional<Bytes> limit, Bytes available);

/// "65536", "64KiB", "64MiB", "1GiB".
Result<Bytes> ParseSize(const std::string& text);

}  // namespace cotenant
