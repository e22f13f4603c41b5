#include "protocol/http/decisions_page.h"

#include <charconv>
#include <optional>
#include <vector>

#include "protocol/http/json_text.h"
#include "protocol/http/router.h"
#include "protocol/parameters.h"
#include "server/clock.h"

namespace cotenant {
namespace {

constexpr std::size_t kLastDefault = 100;

struct Asked {
  std::optional<std::size_t> last;
  std::optional<std::string> request;
};

Result<std::size_t> ReadLast(std::string_view value) {
  std::size_t last = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, last);
  if (error != std::errc() || stop != end || last < 1 || last > kDecisionsAskedMax) {
    return InvalidArgument("'last': expected a whole number from 1 to " +
                           std::to_string(kDecisionsAskedMax) + ", got '" +
                           std::string(value.substr(0, 64)) + "'");
  }
  return last;
}

Result<Asked> ReadQuery(std::string_view target) {
  Asked asked;
  const std::size_t mark = target.find('?');
  std::string_view query = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!query.empty()) {
    const std::size_t next = query.find('&');
    const std::string_view part = query.substr(0, next);
    query = next == std::string_view::npos ? "" : query.substr(next + 1);
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    const std::string_view raw =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    std::string scratch;
    const std::string_view value = DecodePercent(raw, scratch);
    if (key == "last") {
      Result<std::size_t> last = ReadLast(value);
      if (!last.ok()) return last.status();
      asked.last = *last;
    } else if (key == "request") {
      if (value.empty()) return InvalidArgument("'request': expected an id, or a request's number");
      asked.request = std::string(value);
    } else {
      return InvalidArgument("unknown parameter '" + std::string(key.substr(0, 64)) +
                             "', expected last or request");
    }
  }
  if (asked.last && asked.request) {
    return InvalidArgument("'last' and 'request' ask for different things: give one");
  }
  return asked;
}

void AppendRecorded(const RecordedDecision& recorded, Instant started, Instant now,
                    const DecisionNames& names, std::string& out) {
  out += "{\"at_ms\":";
  AppendNumber(ToMilliseconds(recorded.at - started), out);
  out += ",\"age_ms\":";
  AppendNumber(ToMilliseconds(now - recorded.at), out);
  if (!recorded.client_id.view().empty()) {
    out += ",\"id\":";
    AppendJsonString(recorded.client_id.view(), out);
  }
  out += ',';
  AppendDecisionMembers(recorded.decision, names, out);
  out += '}';
}

}  // namespace

void AppendDecisionMembers(const Decision& decision, const DecisionNames& names, std::string& out) {
  out += "\"text\":";
  AppendJsonString(DecisionText(decision, names), out);
  VisitFields(decision, names, [&out](const DecisionField& field) {
    out += ',';
    AppendJsonString(field.name, out);
    out += ':';
    if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      AppendNumber(*number, out);
    } else if (const auto* span = std::get_if<Duration>(&field.value)) {
      AppendNumber(ToMilliseconds(*span), out);
    } else if (const auto* truth = std::get_if<bool>(&field.value)) {
      out += *truth ? "true" : "false";
    } else {
      AppendJsonString(std::get<std::string_view>(field.value), out);
    }
  });
}

Status WriteDecisions(const Node& node, std::string_view target, std::string& out) {
  Result<Asked> asked = ReadQuery(target);
  COTENANT_RETURN_IF_ERROR(asked.status());
  Result<std::vector<RecordedDecision>> found =
      asked->request ? node.DecisionsOf(*asked->request)
                     : node.LastDecisions(asked->last.value_or(kLastDefault));
  COTENANT_RETURN_IF_ERROR(found.status());
  if (asked->request && found->empty()) {
    return NotFound("nothing is kept of a request '" + asked->request->substr(0, 64) +
                    "': unknown, or longer ago than the last " +
                    std::to_string(node.options().decisions_max) + " decisions");
  }
  const DecisionNames names = node.NamesForDecisions();
  const Instant now = MonotonicNow();
  out = "{\"decisions\":[";
  for (const RecordedDecision& recorded : *found) {
    if (out.back() != '[') out += ",\n";
    AppendRecorded(recorded, node.Started(), now, names, out);
  }
  out += "]}";
  return Status();
}

}  // namespace cotenant
