#pragma once

/// Finds what was probably meant, for messages about unknown names.

#include <span>
#include <string>
#include <string_view>

namespace cotenant {

/// The name with the smallest edit distance (insert, delete, replace, swap of neighbours), the
/// first one on a tie; empty when even that one differs in more than a third of its letters, plus
/// one.
std::string_view Nearest(std::string_view name, std::span<const std::string_view> names);

/// "; did you mean 'x'?", or nothing when no name is near.
std::string DidYouMean(std::string_view name, std::span<const std::string_view> names,
                       std::string_view prefix = "");

/// "a, b or c", as written in messages.
std::string OneOf(std::span<const std::string_view> names);

}  // namespace cotenant
