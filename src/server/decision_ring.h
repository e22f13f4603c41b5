#pragma once

/// The last decisions of the brain, for whoever asks why. Bounded: the oldest are forgotten.
///
/// Used under the brain's lock. Allocates once, when it is made.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "scheduler/decision.h"

namespace cotenant {

/// The id that a client gave its request, cut to what a ring can hold.
struct ClientId {
  static constexpr std::size_t kSizeMax = 47;  ///< A UUID has 36. Raise it for longer ids.
  std::array<char, kSizeMax> text{};
  std::uint8_t size = 0;

  void Set(std::string_view id) {
    size = static_cast<std::uint8_t>(std::min(id.size(), kSizeMax));
    std::copy_n(id.begin(), size, text.begin());
  }
  std::string_view view() const { return {text.data(), size}; }
};

struct RecordedDecision {
  Instant at;  ///< The crank's `now`.
  Decision decision;
  ClientId client_id;  ///< Of admissions; empty when the client gave none.
};

class DecisionRing {
 public:
  /// Zero keeps nothing.
  explicit DecisionRing(std::uint32_t decisions_max) : places_(decisions_max) {}

  bool on() const { return !places_.empty(); }
  void Add(Instant at, const Decision& decision, std::string_view client_id) {
    RecordedDecision& place = places_[next_];
    if (++next_ == places_.size()) next_ = 0;
    if (kept_ < places_.size()) ++kept_;
    place.at = at;
    place.decision = decision;
    place.client_id.Set(client_id);
  }

  /// The last `count`, oldest first.
  std::vector<RecordedDecision> Last(std::size_t count) const;
  /// All that is kept of requests with this id: the client's own, or our number. The starts of runs
  /// that they joined are among them.
  std::vector<RecordedDecision> Of(std::string_view request) const;

 private:
  /// 0: the oldest.
  const RecordedDecision& Place(std::size_t index) const {
    return places_[(next_ + places_.size() - kept_ + index) % places_.size()];
  }

  std::vector<RecordedDecision> places_;
  std::size_t next_ = 0;
  std::size_t kept_ = 0;
};

}  // namespace cotenant
