#pragma once

#include <string>
#include <string_view>

namespace cotenant {

/// As messages name what somebody else has named.
inline std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

}  // namespace cotenant
