#pragma once

/// The part of Triton's dynamic batcher that other batching policies share.

#include "policy/batching.h"

namespace cotenant {

/// Decides as Triton: a preferred size that can be reached starts at once; so does a full batch;
/// the rest waits until the oldest request is as old as the configured delay.
BatchChoice ChooseByWindow(const QueueView& queue, Instant now);

}  // namespace cotenant
