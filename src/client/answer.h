#pragma once

/// What a server's answer to an inference request means.

#include <cstddef>
#include <string_view>

#include "catalog/run_result.h"

namespace cotenant {

struct AnswerMeaning {
  RunEnd end = RunEnd::kFailed;
  std::size_t reason = kOtherReason;  ///< Of kRejected: a RejectReason's number.
  /// The answer does not say which refusal it is, or is an error: its text is worth showing.
  bool shown = false;
};

/// Knows Cotenant's refusals by their words, and any server's by the status: 504 is expired; 429,
/// 503 and 507 are rejected; other errors are failed.
AnswerMeaning MeaningOf(int status, std::string_view body);

/// What Cotenant tells of a good answer to a request that used a parameter of ours. Looks at what
/// was kept of the body; where nothing is told, warm and no variant.
struct ServedBy {
  bool cold = false;
  std::string_view variant;  ///< A part of `body`.
};
ServedBy ServedByOf(std::string_view body);

}  // namespace cotenant
