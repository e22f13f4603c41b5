#pragma once

/// The yardstick of brain_speed: the scheduler that one writes first. Queues by tenant, ids in hash
/// maps, and a look at every tenant's first request for each decision. It knows earliest deadline
/// first and nothing else: no admission, batches, estimates or weights. Frozen.

#include <cstdint>
#include <deque>
#include <limits>
#include <unordered_map>
#include <vector>

namespace naive {

struct Request {
  std::uint64_t id = 0;
  std::size_t tenant = 0;
  std::size_t model = 0;
  std::int64_t at = 0;
  std::int64_t deadline = std::numeric_limits<std::int64_t>::max();
};

class Scheduler {
 public:
  Scheduler(std::size_t tenants, int slots) : queues_(tenants), free_(slots) {}

  void Arrive(const Request& request) {
    requests_[request.id] = request;
    queues_[request.tenant].push_back(request.id);
  }
  /// The request whose run ended is answered.
  Request Finish(std::uint64_t id) {
    ++free_;
    const Request request = requests_.at(id);
    requests_.erase(id);
    return request;
  }
  /// Requests to run now, as many as slots are free.
  std::vector<Request> Start() {
    std::vector<Request> started;
    while (free_ > 0) {
      std::deque<std::uint64_t>* earliest = nullptr;
      std::int64_t deadline = 0;
      for (std::deque<std::uint64_t>& queue : queues_) {
        if (queue.empty()) continue;
        const std::int64_t candidate = requests_.at(queue.front()).deadline;
        if (earliest != nullptr && candidate >= deadline) continue;
        earliest = &queue;
        deadline = candidate;
      }
      if (earliest == nullptr) break;
      started.push_back(requests_.at(earliest->front()));
      earliest->pop_front();
      --free_;
    }
    return started;
  }

 private:
  std::vector<std::deque<std::uint64_t>> queues_;
  std::unordered_map<std::uint64_t, Request> requests_;
  int free_;
};

}  // namespace naive
