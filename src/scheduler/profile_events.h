#pragma once

/// What a profile teaches the brain of a model when it is loaded, before any request: run times of
/// each measured number of rows, as warm-ups that could have been. Both drivers tell them before
/// `LoadFinished`, so that the estimates start alike.

#include <vector>

#include "catalog/profile.h"
#include "scheduler/events.h"

namespace cotenant {

/// Appends `WarmedUp` events at `now`, spread evenly over each distribution.
void AppendProfileEvents(const ModelProfile& profile, ModelId model, Instant now,
                         std::vector<Event>& events);

}  // namespace cotenant
