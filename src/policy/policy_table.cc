#include "policy/policy_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace cotenant {
namespace {

constexpr std::array kDispatch = {&DispatchFifo, &DispatchEdf, &DispatchWeightedFair};
constexpr std::array kBatching = {&BatchingNone, &BatchingWindow, &BatchingDeadlineAware};
constexpr std::array kAdmission = {&AdmissionAll, &AdmissionFeasible};
/// The choice of batching that is no policy of its own.
constexpr std::string_view kAsModel = "model";

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
  for (const auto& policy : table) {
    rows.push_back({kind, policy().name(), policy().description(), policy().properties()});
  }
}

std::vector<PolicyRow> AllRows() {
  std::vector<PolicyRow> rows;
  AppendRows("dispatch", kDispatch, rows);
  AppendRows("batching", kBatching, rows);
  AppendRows("admission", kAdmission, rows);
  return rows;
}

}  // namespace

std::span<const PolicyRow> PolicyTable() {
  static const std::vector<PolicyRow> rows = AllRows();
  return rows;
}

Result<const DispatchPolicy*> FindDispatch(std::string_view name) {
  return Find<DispatchPolicy>("dispatch", name, kDispatch);
}

Result<const AdmissionPolicy*> FindAdmission(std::string_view name) {
  return Find<AdmissionPolicy>("admission", name, kAdmission);
}

Result<const BatchingPolicy*> FindBatching(std::string_view name) {
  if (name == kAsModel) return static_cast<const BatchingPolicy*>(nullptr);
  return Find<BatchingPolicy>("batching", name, kBatching, {kAsModel});
}

const BatchingPolicy& BatchingOf(const BatchingPolicy* chosen, bool model_wants_batching) {
  if (chosen != nullptr) return *chosen;
  return model_wants_batching ? BatchingWindow() : BatchingNone();
}

Status CheckPolicies(const PolicyChoice& choice) {
  if (const auto found = FindDispatch(choice.dispatch); !found.ok()) return found.status();
  if (const auto found = FindBatching(choice.batching); !found.ok()) return found.status();
  if (const auto found = FindAdmission(choice.admission); !found.ok()) return found.status();
  return {};
}

}  // namespace cotenant
