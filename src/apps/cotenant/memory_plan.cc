#include "apps/cotenant/memory_plan.h"

#include <algorithm>

#include "telemetry/memory_meters.h"

namespace cotenant {
namespace {

/// Pages of code and constants that running networks brings in later, of the library above all.
/// Measured with the networks of `make demo`; lower it where only a few kinds of operators run.
constexpr Bytes kCodeLater = Bytes::MiB(12);
/// Threads, connections and queues that exist only when the node serves.
constexpr Bytes kThreadsLater = Bytes::MiB(4);

/// HTTP's bodies and replies, gRPC's, and what gRPC's own transport holds besides: each has the
/// limit on its own.
std::int64_t LimitsOfRequests(const ServeOptions& options) {
  return (options.http.allow ? 1 : 0) + (options.grpc.allow ? 2 : 0);
}

std::string Origin(const MemoryOption& option, std::optional<Bytes> limit, Bytes available) {
  if (option.kind == MemoryOption::Kind::kSize) return "";
  const bool by_limit = limit && *limit < available;
  return " (" + std::to_string(option.percent) + "% of the " +
         (by_limit ? "cgroup's limit of " + SizeText(*limit)
                   : SizeText(available) + " that the machine has available") +
         "; --memory sets it)";
}

}  // namespace

MemoryNeeds ReadMemoryNeeds(const ServeOptions& options) {
  const auto group = ReadCgroupMemory();
  MemoryNeeds needs;
  needs.total =
      BudgetOf(options.memory, group ? group->limit : std::nullopt, ReadAvailableMemory());
  needs.base = ReadProcessMemory().resident + kCodeLater + kThreadsLater;
  needs.requests_max =
      Bytes(options.limits.in_flight_bytes_max.count() * LimitsOfRequests(options));
  needs.parked_max = options.parked_max;
  return needs;
}

Result<MemoryPlan> PlanMemory(const ServeOptions& options) {
  MemoryPlan plan;
  if (options.memory.kind == MemoryOption::Kind::kUnlimited) {
    plan.remark = "memory: no limit, models are never evicted";
    return plan;
  }
  const auto group = ReadCgroupMemory();
  const std::optional<Bytes> limit = group ? group->limit : std::nullopt;
  const Bytes available = ReadAvailableMemory();
  const MemoryNeeds needs = ReadMemoryNeeds(options);
  Result<MemoryBudget> budget = DivideMemory(needs);
  if (!budget.ok() && options.memory.kind == MemoryOption::Kind::kShare) {
    // Nobody asked for this size; a box so full is no reason not to serve.
    plan.remark = "memory: no limit, because " + budget.status().message();
    return plan;
  }
  COTENANT_RETURN_IF_ERROR(budget.status());
  plan.budget = *budget;
  plan.remark = "memory: " + SizeText(budget->total) + Origin(options.memory, limit, available) +
                ": " + SizeText(budget->base) + " for the program, " + SizeText(budget->requests) +
                " for requests, " + SizeText(budget->parked) + " for parked networks, " +
                SizeText(budget->models) + " for models and their runs";
  return plan;
}

LimitOptions WithinBudget(const ServeOptions& options, const MemoryBudget& budget) {
  LimitOptions limits = options.limits;
  const std::int64_t shares = LimitsOfRequests(options);
  if (!budget.limited() || shares == 0) return limits;
  limits.in_flight_bytes_max =
      std::min(limits.in_flight_bytes_max, Bytes(budget.requests.count() / shares));
  limits.body_max = std::min(limits.body_max, limits.in_flight_bytes_max);
  return limits;
}

}  // namespace cotenant
