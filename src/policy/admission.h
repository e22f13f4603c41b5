#pragma once

/// Says whether a request that just arrived is taken in, and if not, which latency bound would have
/// been.
///
/// Stateless and deterministic: everything that was learnt is in the view.

#include <string_view>

#include "base/time.h"
#include "policy/properties.h"

namespace cotenant {

/// Answers "when would it be done", for the bound it has or for another one (a later deadline lets
/// more work go first).
class FinishForecast {
 public:
  virtual ~FinishForecast() = default;
  /// p95 of the time from the request's arrival to its reply, were its latency bound `bound`.
  virtual Duration For(Duration bound) const = 0;
};

/// What an admission policy may know.
struct AdmissionView {
  /// The request's latency bound; never zero (a request without bound is not asked about).
  Duration bound;
  /// Is there any run of its model to learn from?
  bool estimated = false;
  /// The fastest run ever seen of its model with no more rows than it has.
  Duration fastest;
  /// Nothing runs and nothing waits.
  bool idle = true;
  /// Never null when `estimated`.
  const FinishForecast* finish = nullptr;
  /// The estimated p95 of its run and reply alone, where nothing else of its model runs or waits
  /// and the estimates are so old that they may be wrong by now. Zero: they are not.
  Duration alone_when_stale = Duration();
};

enum class AdmissionReason : unsigned char {
  kTaken,         ///< Nothing speaks against it.
  kUnknown,       ///< No estimate yet: taken, to learn.
  kBelowFastest,  ///< No run was ever as fast as its bound.
  kTooLate,       ///< The estimated p95 finish is past its bound.
  kStale,         ///< The estimates alone are past its bound, but old: taken, to learn anew.
};

struct AdmissionChoice {
  bool admit = true;
  AdmissionReason reason = AdmissionReason::kTaken;
  /// When refused: the smallest longer bound that would have been admitted, in whole microseconds.
  Duration earliest_bound;
  /// What the bound was compared with: the p95 of the finish, or the fastest run. Zero: with
  /// nothing.
  Duration estimate = Duration();
};

class AdmissionPolicy {
 public:
  virtual ~AdmissionPolicy() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view description() const = 0;
  /// Where it comes from: author, venue, year. Empty: our own.
  virtual std::string_view paper() const { return {}; }
  virtual PolicyProperties properties() const = 0;
  /// Is a waiting request given up while all devices are busy, once the estimated p95 of a run
  /// begun now would end past its bound? What it would take then serves those that can be in time.
  virtual bool gives_up() const { return false; }
  virtual AdmissionChoice Choose(const AdmissionView& request) const = 0;
};

}  // namespace cotenant
