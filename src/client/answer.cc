#include "client/answer.h"

#include <algorithm>
#include <string>

#include "client/model_metadata.h"

namespace cotenant {
namespace {

// Words of server/reply.cc; queue size and timeout are Triton's too.
constexpr struct {
  std::string_view words;
  RejectReason reason;
} kRefusals[] = {
    {"Exceeds maximum queue size", RejectReason::kQueueFull},
    {"cannot be met now", RejectReason::kNotFeasible},
    {"Request timeout expired", RejectReason::kQueueTimeout},
    {"is shutting down", RejectReason::kDraining},
    {"was unloaded before", RejectReason::kModelUnloaded},
    {"more memory than the server may use", RejectReason::kNeverFits},
    {"no room to load it in time", RejectReason::kNoRoom},
    {"could not be loaded again", RejectReason::kLoadFailed},
    {"may have for models of its own", RejectReason::kTenantMemory},
};

/// The text of a member that no tensor's name can be taken for: escaped quotes end nothing here.
std::string_view MemberOf(std::string_view body, std::string_view quoted) {
  const std::size_t at = body.find(quoted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = body.substr(at + quoted.size());
  return rest.substr(0, std::min(rest.find('"'), rest.size()));
}

}  // namespace

ServedBy ServedByOf(std::string_view body) {
  const std::size_t parameters = body.find("\"parameters\":{\"queue_ms\"");
  if (parameters == std::string_view::npos) return {};
  const std::string_view told = body.substr(parameters);
  return {MemberOf(told, "\"start\":\"") == "cold", MemberOf(told, "\"variant\":\"")};
}

AnswerMeaning MeaningOf(int status, std::string_view body) {
  if (status >= 200 && status < 300) return {RunEnd::kReplied, kOtherReason, false};
  if (status == 504) return {RunEnd::kExpired, kOtherReason, false};
  if (status != 429 && status != 503 && status != 507) return {RunEnd::kFailed, kOtherReason, true};
  const std::string text = ErrorText(body);
  for (const auto& refusal : kRefusals) {
    if (text.find(refusal.words) == std::string::npos) continue;
    return {RunEnd::kRejected, static_cast<std::size_t>(refusal.reason), false};
  }
  return {RunEnd::kRejected, kOtherReason, true};
}

}  // namespace cotenant
