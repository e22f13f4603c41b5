#include "server/parking_lot.h"

#include <algorithm>
#include <utility>

namespace cotenant {

void ParkingLot::Count() {
  Bytes sum;
  for (const Parked& parked : parked_) sum += parked.executor->facts().anonymous;
  held_.store(sum.count(), std::memory_order_relaxed);
}

std::unique_ptr<Executor> ParkingLot::Park(ModelId model, std::unique_ptr<Executor> executor) {
  const LoadFacts facts = executor->facts();
  if (facts.anonymous > most_ || facts.mapped == Bytes() || !executor->Park()) return executor;
  parked_.push_back({model, std::move(executor)});
  Count();
  return nullptr;
}

std::vector<ModelId> ParkingLot::MakeRoom() {
  std::vector<ModelId> gone;
  while (held() > most_) {
    gone.push_back(parked_.front().model);
    parked_.erase(parked_.begin());
    Count();
  }
  return gone;
}

std::unique_ptr<Executor> ParkingLot::Take(ModelId model) {
  const auto found = std::ranges::find(parked_, model, &Parked::model);
  if (found == parked_.end()) return nullptr;
  std::unique_ptr<Executor> executor = std::move(found->executor);
  parked_.erase(found);
  Count();
  return executor;
}

}  // namespace cotenant
