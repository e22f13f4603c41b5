#include "apps/cotenant/policies.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cotenant/result_json.h"
#include "config/command_flags.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

std::string Table() {
  std::string text;
  std::string_view kind;
  for (const PolicyRow& row : PolicyTable()) {
    if (row.kind != kind) {
      text += (text.empty() ? "" : "\n") + std::string(row.kind) + "\n";
      kind = row.kind;
    }
    std::string line = "  " + std::string(row.name);
    line.resize(std::max<std::size_t>(line.size() + 2, 18), ' ');
    text += line + std::string(row.description) + "\n";
    std::string declared;
    for (std::string_view property : PropertyTexts(row)) {
      declared += (declared.empty() ? "" : "; ") + std::string(property);
    }
    if (!declared.empty()) text += std::string(18, ' ') + "declares: " + declared + "\n";
    if (!row.paper.empty()) {
      text += std::string(18, ' ') + "after: " + std::string(row.paper) + "\n";
    }
  }
  return text;
}

std::string_view OrderName(OrderKept order) {
  switch (order) {
    case OrderKept::kArrival: return "arrival";
    case OrderKept::kDeadline: return "deadline";
    case OrderKept::kTenant: return "tenant";
    case OrderKept::kAny: break;
  }
  return "any";
}

std::string Json() {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const PolicyRow& row : PolicyTable()) {
    nlohmann::ordered_json object = {
        {"kind", row.kind}, {"name", row.name}, {"description", row.description}};
    if (!PropertyTexts(row).empty()) {
      object["work_conserving"] = row.properties.work_conserving;
      object["starvation_free"] = row.properties.starvation_free;
      object["order"] = OrderName(row.properties.order);
    }
    object["paper"] = row.paper;
    rows.push_back(std::move(object));
  }
  return nlohmann::ordered_json{{"policies", std::move(rows)}}.dump(1) + "\n";
}

constexpr CommandUsage kUsage = {"policies", "", "no words, flags only",
                                 0,          0,  "All policies: what each does and declares."};

}  // namespace

int Policies(std::span<const std::string> arguments) {
  std::string json;
  const CommandFlag flags[] = {
      {"json", FlagKind::kValue, "FILE", "write the same as JSON", SetsText(json)}};
  const CommandLine line = ReadCommandLine(kUsage, flags, arguments);
  if (line.exit) return *line.exit;
  std::fputs(Table().c_str(), stdout);
  if (json.empty()) return 0;
  if (const Status status = WriteResultJson(json, Json()); !status.ok()) {
    return FailCommand(kUsage, 1, status.message());
  }
  return 0;
}

}  // namespace cotenant
