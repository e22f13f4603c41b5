#include "server/sequences.h"

#include <iterator>

namespace cotenant {

std::optional<ModelId> Sequences::Find(ModelId model, const std::string& sequence) {
  std::lock_guard lock(mutex_);
  const auto found = known_.find({model, sequence});
  if (found == known_.end()) return std::nullopt;
  by_use_.splice(by_use_.end(), by_use_, found->second.place);
  return found->second.variant;
}

void Sequences::Remember(ModelId model, const std::string& sequence, ModelId variant) {
  std::lock_guard lock(mutex_);
  Key key{model, sequence};
  if (const auto found = known_.find(key); found != known_.end()) {
    found->second.variant = variant;
    return;
  }
  if (known_.size() >= most_) {
    known_.erase(by_use_.front());
    by_use_.pop_front();
  }
  by_use_.push_back(key);
  known_.emplace(std::move(key), Entry{variant, std::prev(by_use_.end())});
}

void Sequences::Forget(ModelId model, const std::string& sequence) {
  std::lock_guard lock(mutex_);
  const auto found = known_.find({model, sequence});
  if (found == known_.end()) return;
  by_use_.erase(found->second.place);
  known_.erase(found);
}

}  // namespace cotenant
