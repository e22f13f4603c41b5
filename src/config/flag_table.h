#pragma once

/// All flags of `cotenant serve` and of `tritonserver`: their names, what they take and what they
/// set.

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/options.h"

namespace cotenant {

enum class FlagKind : unsigned char {
  kSwitch,   ///< Takes no value.
  kBoolean,  ///< `--x`, `--x=false` and `--x false`.
  kValue,    ///< `--x=v` and `--x v`.
};

enum class FlagUse : unsigned char {
  kUsed,
  kIgnored,  ///< Triton's, without a meaning here: taken, and named in one warning.
  kRefused,  ///< Triton's, asks for what is not built: an error, unless it is turned off.
};

struct Flag {
  std::string_view name;
  FlagKind kind;
  FlagUse use;
  std::string_view group;
  std::string_view value;  ///< As the help page shows it: "PORT".
  std::string_view help;
  /// kUsed only. The status says what was expected.
  Status (*set)(ServeOptions& options, const std::string& value);
};

std::span<const Flag> FlagTable();
const Flag* FindFlag(std::string_view name);

/// "true", "1", "on" … InvalidArgument otherwise.
Result<bool> ParseBoolean(const std::string& value);

}  // namespace cotenant
