#pragma once

/// Looks through a TOML text before the library reads it, for what the library does not survive.
///
/// Two things: a dotted key makes a table for every dot, and tables are freed by recursion; and
/// some characters beyond ASCII, where the language has none (outside of strings and comments),
/// lead it into undefined behaviour. Strings and comments are told apart as the library does, up to
/// the text's first mistake, where the library stops.

#include <string>
#include <string_view>

#include "base/result.h"

namespace cotenant {

/// Parts of keys in one line. Real ones have two.
inline constexpr std::size_t kTomlDotsMax = 64;

/// InvalidArgument with file, line and column.
Status CheckTomlText(std::string_view text, const std::string& file);

}  // namespace cotenant
