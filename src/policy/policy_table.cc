#include "policy/policy_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace cotenant {
namespace {

#define ADDRESS(name, function) &function,
constexpr std::array kDispatch = {COTENANT_DISPATCH_POLICIES(ADDRESS)};
constexpr std::array kBatching = {COTENANT_BATCHING_POLICIES(ADDRESS)};
constexpr std::array kAdmission = {COTENANT_ADMISSION_POLICIES(ADDRESS)};
constexpr std::array kResidency = {COTENANT_RESIDENCY_POLICIES(ADDRESS)};
constexpr std::array kPrediction = {COTENANT_PREDICTION_POLICIES(ADDRESS)};
#undef ADDRESS

/// Levenshtein's distance, for "did you mean".
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, replaced});
      diagonal = above;
    }
  }
  return row[b.size()];
}

Status Unknown(std::string_view kind, std::string_view name,
               const std::vector<std::string_view>& accepted) {
  const auto nearest = std::ranges::min_element(
      accepted, {}, [name](std::string_view other) { return Distance(name, other); });
  std::string message = "unknown " + std::string(kind) + " policy '" + std::string(name) +
                        "': did you mean '" + std::string(*nearest) + "'? Accepted:";
  for (std::string_view other : accepted) {
    message += (other == accepted.front() ? " " : ", ") + std::string(other);
  }
  return InvalidArgument(message);
}

template <typename Policy, typename Table>
Result<const Policy*> Find(std::string_view kind, std::string_view name, const Table& table,
                           std::vector<std::string_view> accepted = {}) {
  for (const auto& policy : table) {
    if (policy().name() == name) return &policy();
    accepted.push_back(policy().name());
  }
  return Unknown(kind, name, accepted);
}

template <typename Table>
void AppendRows(std::string_view kind, const Table& table, std::vector<PolicyRow>& rows) {
  for (const auto& function : table) {
    const auto& policy = function();
    PolicyRow row{kind, policy.name(), policy.description(), policy.paper(), {}};
    if constexpr (requires { policy.properties(); }) row.properties = policy.properties();
    rows.push_back(row);
  }
}

std::vector<PolicyRow> AllRows() {
  std::vector<PolicyRow> rows;
  AppendRows("dispatch", kDispatch, rows);
  AppendRows("batching", kBatching, rows);
  AppendRows("admission", kAdmission, rows);
  AppendRows("residency", kResidency, rows);
  AppendRows("prediction", kPrediction, rows);
  return rows;
}

}  // namespace

std::span<const PolicyRow> PolicyTable() {
  static const std::vector<PolicyRow> rows = AllRows();
  return rows;
}

std::vector<std::string_view> PropertyTexts(const PolicyRow& row) {
  std::vector<std::string_view> texts;
  if (row.kind != "dispatch" && row.kind != "batching") return texts;
  const PolicyProperties& properties = row.properties;
  texts.push_back(properties.work_conserving ? "never idles a slot" : "may wait with a free slot");
  texts.push_back(properties.starvation_free ? "starves nobody" : "may starve requests");
  switch (properties.order) {
    case OrderKept::kArrival: texts.push_back("keeps the order of arrival"); break;
    case OrderKept::kDeadline: texts.push_back("keeps the order of deadlines"); break;
    case OrderKept::kTenant: texts.push_back("keeps each tenant's order of arrival"); break;
    case OrderKept::kAny: break;
  }
  return texts;
}

std::string PolicyTableMarkdown() {
  std::string text = "| kind | name | what it does | declared | source |\n|---|---|---|---|---|\n";
  for (const PolicyRow& row : PolicyTable()) {
    text += "| " + std::string(row.kind) + " | `" + std::string(row.name) + "` | " +
            std::string(row.description) + " | ";
    const char* separator = "";
    for (std::string_view property : PropertyTexts(row)) {
      text += separator + std::string(property);
      separator = "; ";
    }
    text += " | " + std::string(row.paper) + " |\n";
  }
  return text;
}

Result<const DispatchPolicy*> FindDispatch(std::string_view name) {
  return Find<DispatchPolicy>("dispatch", name, kDispatch);
}

Result<const AdmissionPolicy*> FindAdmission(std::string_view name) {
  return Find<AdmissionPolicy>("admission", name, kAdmission);
}

Result<const ResidencyPolicy*> FindResidency(std::string_view name) {
  return Find<ResidencyPolicy>("residency", name, kResidency);
}

Result<const PredictionPolicy*> FindPrediction(std::string_view name) {
  return Find<PredictionPolicy>("prediction", name, kPrediction);
}

Result<const BatchingPolicy*> FindBatching(std::string_view name) {
  if (name == kBatchingAsModel) return static_cast<const BatchingPolicy*>(nullptr);
  return Find<BatchingPolicy>("batching", name, kBatching, {kBatchingAsModel});
}

const BatchingPolicy& BatchingOf(const BatchingPolicy* chosen, bool model_wants_batching) {
  if (chosen != nullptr) return *chosen;
  return model_wants_batching ? BatchingWindow() : BatchingNone();
}

Status CheckPolicies(const PolicyChoice& choice) {
  if (const auto found = FindDispatch(choice.dispatch); !found.ok()) return found.status();
  if (const auto found = FindBatching(choice.batching); !found.ok()) return found.status();
  if (const auto found = FindAdmission(choice.admission); !found.ok()) return found.status();
  if (const auto found = FindResidency(choice.residency); !found.ok()) return found.status();
  if (const auto found = FindPrediction(choice.prediction); !found.ok()) return found.status();
  return {};
}

}  // namespace cotenant
