#pragma once

/// Measures what the node itself does for a request, by really serving: a node and its HTTP front
/// in this process, an emulated network of 1 ms on a worker, and the load generator over loopback
/// at a low rate.
///
/// The times are the server's own, from its event log: *read* from the arrival's turn until the
/// brain knows of it, *hand over* from the decision to run to the worker's start, *reply* from the
/// run's end to the reply written. An idle-class thread keeps each CPU from halting meanwhile: to
/// wake a halted virtual CPU takes longer than all the node does, and a busy node does not pay for
/// it.

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "catalog/time_samples.h"

namespace cotenant {

/// With requests of one size.
struct MeasuredNode {
  Bytes request;  ///< Tensors of a request.
  TimeSamples read;
  TimeSamples hand_over;
  TimeSamples reply;
  Duration client_p50;  ///< From the intended time of sending to the whole answer.
  Duration node_p50;    ///< Of that, from the arrival's turn to the reply written.

  NodeCosts Costs() const;
};

struct ProfileNodeOptions {
  std::vector<Bytes> requests;
  Duration lasts = Duration::Seconds(3);
  std::int32_t slots = 1;
};

/// Blocks for about `lasts`. Needs loopback and a place for a temporary file.
Result<std::vector<MeasuredNode>> MeasureNode(const ProfileNodeOptions& options);

}  // namespace cotenant
