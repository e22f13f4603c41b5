#include "protocol/header_forwarding.h"

#include <re2/re2.h>

namespace cotenant {

HeaderForwarding::HeaderForwarding() = default;
HeaderForwarding::~HeaderForwarding() = default;
HeaderForwarding::HeaderForwarding(HeaderForwarding&&) noexcept = default;
HeaderForwarding& HeaderForwarding::operator=(HeaderForwarding&&) noexcept = default;

Result<HeaderForwarding> HeaderForwarding::Create(const std::string& pattern) {
  HeaderForwarding forwarding;
  if (pattern.empty()) return forwarding;
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_case_sensitive(false);
  forwarding.pattern_ = std::make_unique<re2::RE2>(pattern, options);
  if (!forwarding.pattern_->ok()) {
    return InvalidArgument("header forward pattern '" + pattern +
                           "' is no regular expression: " + forwarding.pattern_->error());
  }
  return forwarding;
}

bool HeaderForwarding::Matches(std::string_view name) const {
  return pattern_ != nullptr &&
         re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *pattern_);
}

}  // namespace cotenant
