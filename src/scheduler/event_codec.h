#pragma once

/// Events and actions as bytes: what one crank took and gave, without loss.
///
/// Pure. Times are stored as distances from the crank's `now`. Equal values have equal bytes, so
/// comparing bytes compares all fields. Kinds are numbered by their places in `Event` and `Action`:
/// new kinds go to the end, and any other change raises `kEventLogVersion`.

#include <span>
#include <string>
#include <vector>

#include "scheduler/actions.h"
#include "scheduler/events.h"
#include "scheduler/field_archive.h"

namespace cotenant {

/// Append them; the writer's origin is the crank's `now`.
void EncodeEvents(std::span<const Event> events, FieldWriter& writer);
void EncodeActions(const ActionList& actions, FieldWriter& writer);
inline void EncodeEvents(Instant now, std::span<const Event> events, std::string& out) {
  FieldWriter writer(out, now);
  EncodeEvents(events, writer);
}
inline void EncodeActions(Instant now, const ActionList& actions, std::string& out) {
  FieldWriter writer(out, now);
  EncodeActions(actions, writer);
}

/// Read what was encoded with the same `now`, which is the reader's origin; `reader.ok()` tells
/// whether it was sound. Buffers of the caller's are cleared and filled.
void DecodeEvents(FieldReader& reader, std::vector<Event>& events);
void DecodeActions(FieldReader& reader, ActionList& actions);

}  // namespace cotenant
