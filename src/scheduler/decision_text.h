#pragma once

/// Decisions for people and for programs: a sentence, and the numbers by name.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "scheduler/decision.h"

namespace cotenant {

/// What to call models and tenants. The default goes by their numbers.
struct DecisionNames {
  std::function<std::string(ModelId)> model;
  std::function<std::string(TenantId)> tenant;
};

/// One sentence, without a full stop: "request 7 of default for ocr is refused by feasible: …".
std::string DecisionText(const Decision& decision, const DecisionNames& names = {});

/// One number of a decision. Spans have names that end in `_ms`, for whoever prints them.
struct DecisionField {
  std::string_view name;
  std::variant<std::int64_t, Duration, bool, std::string_view> value;
};
/// Calls `visit` with every number that has a meaning for this decision, "kind" first; names of
/// fields are stable.
void VisitFields(const Decision& decision, const DecisionNames& names,
                 const std::function<void(const DecisionField&)>& visit);

/// Is the decision about this request? A run's start is about its first member; the others have
/// their own.
bool IsAbout(const Decision& decision, RequestId request);
/// The run that the decision starts or that it joins.
std::optional<RunId> RunOf(const Decision& decision);

/// "7.25 ms", rounded up to whole microseconds.
std::string SpanText(Duration span);

}  // namespace cotenant
