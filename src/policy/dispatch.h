#pragma once

/// Orders the requests that wait for a device.
///
/// Stateless and deterministic: the same views give the same answer, so that the live server and
/// the simulator decide alike. A rank depends on the request and its tenant's account at the moment
/// it is ranked, not on the time, so that the scheduler keeps ranked requests in trees and ranks
/// anew only when the policy changes.

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "policy/properties.h"

namespace cotenant {

/// What a dispatch policy may know of one request.
struct RequestView {
  /// When the scheduler took it in: never decreasing in order of arrival.
  Instant taken;
  /// `Instant::Max()` when it has no latency bound.
  Instant deadline;
  /// Its tenant's virtual time, as of this request: device time served to the tenant and queued
  /// before it, divided by the tenant's weight, never behind the node's virtual time.
  std::int64_t virtual_start = 0;
  /// Estimated time of its own run, were it to run alone, as of when it is ranked.
  Duration run_time = Duration();
};

/// A request without bound counts as due this long after it was taken in, so that a stream of
/// bounded requests cannot keep it waiting for ever. Raise it where bounds of many seconds are
/// usual.
inline constexpr Duration kUnboundedDue = Duration::Seconds(10);

/// When policies that go by deadlines want it done.
inline Instant DueOf(const RequestView& request) {
  const bool bounded = request.deadline < Instant::Max();
  return bounded ? request.deadline : request.taken + kUnboundedDue;
}

class DispatchPolicy {
 public:
  virtual ~DispatchPolicy() = default;
  /// As written in configuration files and traces. Never reused for another behaviour.
  virtual std::string_view name() const = 0;
  virtual std::string_view description() const = 0;
  /// Where it comes from: author, venue, year. Empty: our own.
  virtual std::string_view paper() const { return {}; }
  virtual PolicyProperties properties() const = 0;
  /// Smaller ranks run first; ties go by order of arrival.
  virtual std::int64_t RankOf(const RequestView& request) const = 0;
};

}  // namespace cotenant
