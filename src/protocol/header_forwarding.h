#pragma once

/// Headers that become request parameters: `--http-header-forward-pattern` and its gRPC sibling.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace cotenant {

/// Matches names of headers against a pattern. Immutable; any thread.
class HeaderForwarding {
 public:
  HeaderForwarding();
  ~HeaderForwarding();
  HeaderForwarding(HeaderForwarding&&) noexcept;
  HeaderForwarding& operator=(HeaderForwarding&&) noexcept;

  /// An empty pattern matches nothing. InvalidArgument names what is wrong with the expression.
  static Result<HeaderForwarding> Create(const std::string& pattern);

  bool active() const { return pattern_ != nullptr; }
  /// Does the pattern match any part of the name, whatever the case?
  bool Matches(std::string_view name) const;

 private:
  std::unique_ptr<re2::RE2> pattern_;
};

}  // namespace cotenant
