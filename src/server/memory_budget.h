#pragma once

/// Divides the memory that the node may use among what needs it. Plain values; no decision about
/// models, which is the scheduler's.

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace cotenant {

/// What `DivideMemory` goes by.
struct MemoryNeeds {
  Bytes total;  ///< The budget.
  Bytes base;   ///< What the program itself takes before any model is loaded.
  /// Limit of request and reply bytes under way, over all protocols.
  Bytes requests_max;
  std::optional<Bytes> parked_max = {};  ///< Of sessions of networks that left; none: as it comes.
};

/// The parts of the budget; together they are the total.
struct MemoryBudget {
  Bytes total;        ///< Zero: no limit, and the rest means nothing.
  Bytes base;         ///< The program itself, code included, and room for what it learns.
  Bytes requests;     ///< Bytes of requests and replies under way: their limit follows it.
  Bytes models;       ///< Models, their loads and their runs.
  Bytes parked = {};  ///< Sessions of networks that left memory (server/parking_lot.h).

  bool limited() const { return total > Bytes(); }
};

/// Requests get what their limit says, at most an eighth of the budget. The base grows by a
/// sixteenth of itself and 2 MiB, for what the program learns while it serves. Parked sessions get
/// a sixteenth, where nobody says how much. FailedPrecondition, with the sizes, when less than
/// `kModelsMemoryMin` is left for models.
Result<MemoryBudget> DivideMemory(const MemoryNeeds& needs);

/// Less than this holds no network worth serving. Never a reason to raise it.
inline constexpr Bytes kModelsMemoryMin = Bytes::MiB(1);

/// "7.2 MiB", rounded up, for messages.
std::string SizeText(Bytes size);

}  // namespace cotenant
