#pragma once

/// Which variant answers a sequence of requests: the one that answered its first, because a client
/// that carries a state from reply to request must not be moved to another network.
///
/// Bounded: the sequence that was silent longest is forgotten, and its next request chooses anew.
/// Any thread; a lock is taken only for requests that name a sequence.

#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"

namespace cotenant {

class Sequences {
 public:
  /// Raise it for more clients with a state than this at the same time; each takes about 150 bytes.
  static constexpr std::size_t kSequencesMax = 10'000;

  explicit Sequences(std::size_t most = kSequencesMax) : most_(most) {}

  std::optional<ModelId> Find(ModelId model, const std::string& sequence);
  void Remember(ModelId model, const std::string& sequence, ModelId variant);
  void Forget(ModelId model, const std::string& sequence);

 private:
  using Key = std::pair<ModelId, std::string>;
  struct Entry {
    ModelId variant{};
    std::list<Key>::iterator place;
  };

  const std::size_t most_;
  std::mutex mutex_;
  std::map<Key, Entry> known_;
  std::list<Key> by_use_;  ///< The last used at the end.
};

}  // namespace cotenant
