#pragma once

/// GET /cotenant/v1/decisions: why the node did what it did, as JSON with a sentence and the
/// numbers.

#include <string>
#include <string_view>

#include "base/result.h"
#include "scheduler/decision_text.h"
#include "server/node.h"

namespace cotenant {

/// What `?last=N` may ask for. Raise it with --decisions-max where that is larger.
inline constexpr std::size_t kDecisionsAskedMax = 100'000;

/// `target` carries `last=N` (100 when neither is given) or `request=ID`. InvalidArgument names a
/// parameter that is wrong, NotFound a request of which nothing is kept.
Status WriteDecisions(const Node& node, std::string_view target, std::string& out);

/// Appends `"text":"…","kind":"started",…`: the members of a decision's object, without braces.
void AppendDecisionMembers(const Decision& decision, const DecisionNames& names, std::string& out);

}  // namespace cotenant
