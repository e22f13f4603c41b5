#pragma once

/// Events and actions of a log as short lines for people, such as "Arrived request=7 model=0 …".
/// Times in microseconds from the crank's `now`.

#include <string>

#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

std::string TextOf(const Event& event, Instant now);
/// `actions` is the list that the action is of: a run's members lie there.
std::string TextOf(const Action& action, const ActionList& actions, Instant now);

}  // namespace cotenant
