#pragma once

/// What the kernel still holds for the clients when the program wants to end.

#include "base/time.h"

namespace cotenant {

/// Waits until the peer of each open TCP socket has acknowledged what was written to it before the
/// call, at most `longest`. For the time before sockets close: closing one that has unread input
/// throws away what is not sent yet, and a slow client would lose the end of a reply.
void AwaitUnsentBytes(Duration longest);

}  // namespace cotenant
