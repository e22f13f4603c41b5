#pragma once

/// Parked networks: those that left memory for others, but for their sessions. A session is a small
/// part of a prepared network and takes most of its load; the weights, which are mapped from the
/// cache, come back from the page cache in a fraction of that time. The lot has its own part of the
/// budget: what it keeps is the scheduler's no more.
///
/// Of the load thread, but for `held`.

#include <atomic>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "execution/executor.h"

namespace cotenant {

class ParkingLot {
 public:
  /// What the sessions together may take. Less than before: `MakeRoom` then says who must go.
  void SetMost(Bytes most) { most_ = most; }

  /// Parks it, and returns null; one that cannot be parked, or is larger than the lot, is given
  /// back. Call `MakeRoom` then.
  std::unique_ptr<Executor> Park(ModelId model, std::unique_ptr<Executor> executor);
  /// Destroys those that were parked first until the rest fits, and says which.
  std::vector<ModelId> MakeRoom();
  /// Out of the lot, its weights still missing; null where it is not there.
  std::unique_ptr<Executor> Take(ModelId model);

  /// Any thread.
  Bytes held() const { return Bytes(held_.load(std::memory_order_relaxed)); }

 private:
  struct Parked {
    ModelId model{};
    std::unique_ptr<Executor> executor;
  };
  void Count();

  Bytes most_;
  std::vector<Parked> parked_;  ///< In the order in which they came.
  std::atomic<std::int64_t> held_ = 0;
};

}  // namespace cotenant
