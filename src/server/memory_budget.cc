#include "server/memory_budget.h"

#include <algorithm>
#include <string>

namespace cotenant {

std::string SizeText(Bytes size) {
  const std::int64_t tenths = (size.count() * 10 + (std::int64_t{1} << 20) - 1) >> 20;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

Result<MemoryBudget> DivideMemory(const MemoryNeeds& needs) {
  const Bytes eighth(needs.total.count() / 8);
  MemoryBudget budget;
  budget.total = needs.total;
  budget.base = needs.base + Bytes(needs.base.count() / 16) + Bytes::MiB(2);
  budget.requests = std::min(needs.requests_max, eighth);
  budget.parked = std::min(needs.parked_max.value_or(Bytes(needs.total.count() / 16)), eighth);
  budget.models = budget.total - budget.base - budget.requests - budget.parked;
  if (budget.models >= kModelsMemoryMin) return budget;
  return FailedPrecondition("a memory budget of " + SizeText(needs.total) +
                            " leaves nothing for models: the program itself takes " +
                            SizeText(budget.base) + ", requests " + SizeText(budget.requests) +
                            ", parked networks " + SizeText(budget.parked) +
                            "; give more with --memory");
}

}  // namespace cotenant
