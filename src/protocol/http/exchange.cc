#include "protocol/http/exchange.h"

#include <boost/asio/post.hpp>
#include <cstring>

#include "protocol/http/connection.h"
#include "protocol/http/http_thread.h"

namespace cotenant {
namespace {

/// What stays in the pool of buffers that grew for one request.
constexpr std::size_t kKeptMax = 256 * 1024;
/// Room behind the head for a body that is used where it lies.
constexpr std::size_t kSmallBody = 16 * 1024;

/// Gives out an exchange's own memory: bringing an answer to another thread allocates nothing.
template <typename T>
struct ExchangeMemory {
  using value_type = T;
  explicit ExchangeMemory(Exchange& owner) : exchange(&owner) {}
  template <typename U>
  ExchangeMemory(const ExchangeMemory<U>& other) : exchange(other.exchange) {}  // NOLINT: rebinds
  T* allocate(std::size_t count) {
    if (count * sizeof(T) <= exchange->handler_memory.size()) {
      return reinterpret_cast<T*>(exchange->handler_memory.data());
    }
    return static_cast<T*>(::operator new(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t) {
    if (static_cast<void*>(memory) != exchange->handler_memory.data()) ::operator delete(memory);
  }
  template <typename U>
  bool operator==(const ExchangeMemory<U>& other) const {
    return exchange == other.exchange;
  }
  Exchange* exchange;
};

struct Completion {
  using allocator_type = ExchangeMemory<std::byte>;
  allocator_type get_allocator() const { return allocator_type(*exchange); }
  void operator()() const { exchange->connection->OnComplete(); }
  Exchange* exchange;
};

}  // namespace

Exchange::Exchange(HttpThread& owner, std::size_t head_max) : thread(owner) {
  in.Reserve(head_max + kSmallBody);
}

void Exchange::Complete() {
  if (thread.io().IsCurrent()) {
    connection->OnComplete();
  } else {
    boost::asio::post(thread.io().context(), Completion{this});
  }
}

void Exchange::NextRequest() {
  Reset();
  in.RemoveFront(consumed);
  searched = head_size = consumed = large_begin = 0;
  uses_large = false;
  large.Clear();
  if (large.capacity() > kKeptMax && !thread.KeepsLarge(large.capacity())) large.Release();
  arena.Clear();
  if (arena.capacity() > kKeptMax) arena.Release();
  body = {};
  reply.Clear(kKeptMax);
  with_facts = false;
}

}  // namespace cotenant
