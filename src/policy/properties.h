#pragma once

/// What every policy says of itself. Exactly what is declared is checked by the tests of the
/// scheduler.

#include <string_view>

namespace cotenant {

/// The order in which requests of one model begin, where nothing else tells them apart.
enum class OrderKept : unsigned char {
  kArrival,   ///< As they arrived, over all tenants.
  kDeadline,  ///< By deadline; as they arrived among equals.
  kTenant,    ///< As they arrived within one tenant.
  kAny,       ///< The policy says nothing about order.
};

struct PolicyProperties {
  /// No slot stays free for the policy's sake while a request that fits waits.
  bool work_conserving = true;
  /// Every accepted request begins after a bounded amount of other work, however much arrives
  /// later.
  bool starvation_free = true;
  OrderKept order = OrderKept::kAny;
};

}  // namespace cotenant
