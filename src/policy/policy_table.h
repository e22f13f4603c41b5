#pragma once

/// Every policy by kind and name: the one place where a new policy gets its row.

#include <span>
#include <string_view>

#include "base/result.h"
#include "catalog/tenant.h"
#include "policy/admission.h"
#include "policy/batching.h"
#include "policy/dispatch.h"

namespace cotenant {

// One per file. The objects live as long as the program and have no state.
const DispatchPolicy& DispatchFifo();
const DispatchPolicy& DispatchEdf();
const DispatchPolicy& DispatchWeightedFair();
const BatchingPolicy& BatchingNone();
const BatchingPolicy& BatchingWindow();
const BatchingPolicy& BatchingDeadlineAware();
const AdmissionPolicy& AdmissionAll();
const AdmissionPolicy& AdmissionFeasible();

/// One row for people: `kind` is "dispatch", "batching" or "admission".
struct PolicyRow {
  std::string_view kind;
  std::string_view name;
  std::string_view description;
  PolicyProperties properties;
};
std::span<const PolicyRow> PolicyTable();

/// InvalidArgument for an unknown name, with the nearest accepted one and all of them.
Result<const DispatchPolicy*> FindDispatch(std::string_view name);
Result<const AdmissionPolicy*> FindAdmission(std::string_view name);
/// `name` may be "model": the answer is then null, and `BatchingOf` decides for each model.
Result<const BatchingPolicy*> FindBatching(std::string_view name);
/// The policy of a model, given the node's choice (null: as the model's configuration says).
const BatchingPolicy& BatchingOf(const BatchingPolicy* chosen, bool model_wants_batching);

/// Ok when all three names are known.
Status CheckPolicies(const PolicyChoice& choice);

}  // namespace cotenant
