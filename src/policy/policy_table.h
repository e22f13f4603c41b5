#pragma once

/// Every policy by kind and name. The rows themselves are in catalog/policy_rows.h.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/policy_rows.h"
#include "catalog/tenant.h"
#include "policy/admission.h"
#include "policy/batching.h"
#include "policy/dispatch.h"
#include "policy/prediction.h"
#include "policy/residency.h"

namespace cotenant {

// One per file. The objects live as long as the program and have no state.
#define COTENANT_DECLARE(name, function) const DispatchPolicy& function();
COTENANT_DISPATCH_POLICIES(COTENANT_DECLARE)
#undef COTENANT_DECLARE
#define COTENANT_DECLARE(name, function) const BatchingPolicy& function();
COTENANT_BATCHING_POLICIES(COTENANT_DECLARE)
#undef COTENANT_DECLARE
#define COTENANT_DECLARE(name, function) const AdmissionPolicy& function();
COTENANT_ADMISSION_POLICIES(COTENANT_DECLARE)
#undef COTENANT_DECLARE
#define COTENANT_DECLARE(name, function) const ResidencyPolicy& function();
COTENANT_RESIDENCY_POLICIES(COTENANT_DECLARE)
#undef COTENANT_DECLARE
#define COTENANT_DECLARE(name, function) const PredictionPolicy& function();
COTENANT_PREDICTION_POLICIES(COTENANT_DECLARE)
#undef COTENANT_DECLARE

/// One row for people: `kind` is "dispatch", "batching", "admission", "residency" or "prediction".
struct PolicyRow {
  std::string_view kind;
  std::string_view name;
  std::string_view description;
  std::string_view paper;  ///< Where it comes from; empty when it is our own.
  PolicyProperties properties;
};
std::span<const PolicyRow> PolicyTable();

/// "never idles a slot", … : what is declared, in words. Only dispatch and batching declare
/// anything: the others are not asked about slots or order.
std::vector<std::string_view> PropertyTexts(const PolicyRow& row);
/// The table as it stands in docs/policies.md.
std::string PolicyTableMarkdown();

/// InvalidArgument for an unknown name, with the nearest accepted one and all of them.
Result<const DispatchPolicy*> FindDispatch(std::string_view name);
Result<const AdmissionPolicy*> FindAdmission(std::string_view name);
Result<const ResidencyPolicy*> FindResidency(std::string_view name);
Result<const PredictionPolicy*> FindPrediction(std::string_view name);
/// `name` may be "model": the answer is then null, and `BatchingOf` decides for each model.
Result<const BatchingPolicy*> FindBatching(std::string_view name);
/// The policy of a model, given the node's choice (null: as the model's configuration says).
const BatchingPolicy& BatchingOf(const BatchingPolicy* chosen, bool model_wants_batching);

/// Ok when all names are known.
Status CheckPolicies(const PolicyChoice& choice);

}  // namespace cotenant
