#include "scheduler/profile_events.h"

namespace cotenant {

void AppendProfileEvents(const ModelProfile& profile, ModelId model, Instant now,
                         std::vector<Event>& events) {
  // Samples at the middles of sixteenths, in an order without a trend, so that recent means are
  // means.
  constexpr std::uint32_t kOrder[] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
  for (const RunTimes& times : profile.runs) {
    for (const std::uint32_t sixteenth : kOrder) {
      const std::uint32_t fraction = (2 * sixteenth + 1) << 27;
      events.push_back(WarmedUp{now, model, times.rows, times.alone.At(fraction)});
    }
  }
}

}  // namespace cotenant
