#include "execution/onnx/memory_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/check.h"

namespace cotenant {
namespace {

constexpr std::size_t kAlignment = 64;
// From here blocks are mapped: big enough for a system call to be cheap beside touching the pages.
constexpr std::size_t kMappedMin = std::size_t{128} << 10;
// Nothing near the end of the address space, so that no rounding can overflow.
constexpr std::size_t kSizeMax = std::size_t{1} << 46;

thread_local MemoryAccount* current_account = nullptr;
thread_local const std::atomic<bool>* current_stop = nullptr;

struct SizeClass {
  std::size_t index;
  std::size_t size;
};

SizeClass ClassOf(std::size_t size) {
  const std::size_t least = std::max<std::size_t>(size, 512);
  const auto bits = static_cast<std::size_t>(std::bit_width(least - 1));
  const std::size_t base = std::size_t{1} << (bits - 1);
  const std::size_t step = base / 8 < kAlignment ? kAlignment : base / 8;
  const std::size_t steps = (least - base + step - 1) / step;
  return {bits * 8 + std::min<std::size_t>(steps, 8) - 1, base + steps * step};
}

}  // namespace

// Lies before the bytes it describes. The links are used while the block is free and kept.
struct alignas(kAlignment) MemoryPool::Block {
  std::size_t size = 0;
  std::size_t size_class = 0;
  MemoryAccount* account = nullptr;
  Block* same_next = nullptr;
  Block* same_previous = nullptr;
  Block* newer = nullptr;
  Block* older = nullptr;
  std::uint64_t kept_at = 0;
};

void MemoryAccount::RestartPeak() {
  peak_.store(in_use_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  refused_.store(false, std::memory_order_relaxed);
}

void MemoryAccount::DropOwner::operator()(MemoryAccount* account) const {
  if (account->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete account;
}

MemoryPool::AccountOwner MemoryPool::OpenAccount(Bytes in_use_max, bool keeps_blocks) {
  return AccountOwner(new MemoryAccount(in_use_max, keeps_blocks));
}

MemoryPool::Charge::Charge(MemoryAccount& account, const std::atomic<bool>* stop)
    : outer_(current_account), outer_stop_(current_stop) {
  current_account = &account;
  current_stop = stop;
}

MemoryPool::Charge::~Charge() {
  current_account = outer_;
  current_stop = outer_stop_;
}

MemoryPool::~MemoryPool() {
  COTENANT_CHECK(in_use_ == 0);
  Trim();
}

void* MemoryPool::Allocate(std::size_t size) {
  MemoryAccount* account = current_account;
  const auto refuse = [account] {
    if (account != nullptr) account->refused_.store(true, std::memory_order_relaxed);
    throw MemoryRefused();
  };
  if (size > kSizeMax) refuse();
  if (current_stop != nullptr && current_stop->load(std::memory_order_relaxed)) refuse();
  const SizeClass size_class = ClassOf(size + sizeof(Block));
  const auto bytes = static_cast<std::int64_t>(size_class.size);
  if (account != nullptr && account->in_use() + Bytes(bytes) > account->in_use_max_) refuse();

  const bool of_run = account != nullptr && account->keeps_blocks_;
  Block* block = nullptr;
  Block* dropped = nullptr;
  bool allowed = true;
  {
    std::lock_guard lock(mutex_);
    if (in_use_ + bytes > limits_.in_use_max.count()) {
      allowed = false;
    } else {
      in_use_ += bytes;
      if (of_run) runs_in_use_ += bytes;
      peak_ = std::max(peak_, in_use_);
      block = TakeKept(size_class.index);
      if (block == nullptr) dropped = UnlinkOldestAbove(KeptMax());
    }
  }
  if (!allowed) refuse();
  Return(dropped);
  if (block == nullptr) {
    block = Obtain(size_class.size);
    if (block == nullptr) {
      {
        std::lock_guard lock(mutex_);
        in_use_ -= bytes;
        if (of_run) runs_in_use_ -= bytes;
      }
      refuse();
    }
    block->size = size_class.size;
    block->size_class = size_class.index;
  }
  block->account = account;
  if (account != nullptr) {
    account->references_.fetch_add(1, std::memory_order_relaxed);
    if (size_class.size >= kMappedMin) account->mapped_.fetch_add(bytes, std::memory_order_relaxed);
    const auto now = account->in_use_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (now > account->peak_.load(std::memory_order_relaxed)) {
      account->peak_.store(now, std::memory_order_relaxed);
    }
  }
  return block + 1;
}

void MemoryPool::Free(void* data) noexcept {
  if (data == nullptr) return;
  Block* block = static_cast<Block*>(data) - 1;
  const auto bytes = static_cast<std::int64_t>(block->size);
  bool keep = true;
  bool of_run = false;
  if (MemoryAccount* account = block->account; account != nullptr) {
    keep = of_run = account->keeps_blocks_;
    if (block->size >= kMappedMin) account->mapped_.fetch_sub(bytes, std::memory_order_relaxed);
    account->in_use_.fetch_sub(bytes, std::memory_order_relaxed);
    MemoryAccount::DropOwner()(account);
    block->account = nullptr;
  }
  Block* dropped = nullptr;
  {
    std::lock_guard lock(mutex_);
    in_use_ -= bytes;
    if (of_run) runs_in_use_ -= bytes;
    if (keep) {
      Keep(block);
      dropped = UnlinkOldestAbove(KeptMax());
    }
  }
  if (!keep) {
    block->same_next = nullptr;
    dropped = block;
  }
  Return(dropped);
}

void MemoryPool::Trim() noexcept {
  Block* dropped = nullptr;
  {
    std::lock_guard lock(mutex_);
    dropped = UnlinkOldestAbove(0);
  }
  Return(dropped);
}

bool MemoryPool::TrimUnused() noexcept {
  Block* dropped = nullptr;
  bool left = false;
  {
    std::lock_guard lock(mutex_);
    while (oldest_ != nullptr && oldest_->kept_at < age_) {
      Block* block = oldest_;
      Unlink(block);
      block->same_next = dropped;
      dropped = block;
    }
    ++age_;
    left = oldest_ != nullptr;
  }
  Return(dropped);
  return left;
}

void MemoryPool::SetLimits(Limits limits) noexcept {
  Block* dropped = nullptr;
  {
    std::lock_guard lock(mutex_);
    limits_ = limits;
    dropped = UnlinkOldestAbove(KeptMax());
  }
  Return(dropped);
}

MemoryPool::Limits MemoryPool::limits() const {
  std::lock_guard lock(mutex_);
  return limits_;
}

std::int64_t MemoryPool::KeptMax() const {
  const std::int64_t beside_all = limits_.in_use_max.count() - in_use_;
  const std::int64_t beside_runs = limits_.runs_max.count() - runs_in_use_;
  return std::max<std::int64_t>(0, std::min({limits_.kept_max.count(), beside_all, beside_runs}));
}

MemoryPool::Figures MemoryPool::figures() const {
  std::lock_guard lock(mutex_);
  return {Bytes(in_use_), Bytes(peak_), Bytes(kept_)};
}

MemoryPool::Block* MemoryPool::TakeKept(std::size_t size_class) {
  Block* block = free_[size_class];
  if (block != nullptr) Unlink(block);
  return block;
}

void MemoryPool::Keep(Block* block) {
  Block*& first = free_[block->size_class];
  block->same_previous = nullptr;
  block->same_next = first;
  if (first != nullptr) first->same_previous = block;
  first = block;
  block->newer = nullptr;
  block->older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = block;
  newest_ = block;
  block->kept_at = age_;
  kept_ += static_cast<std::int64_t>(block->size);
}

void MemoryPool::Unlink(Block* block) {
  (block->same_previous != nullptr ? block->same_previous->same_next : free_[block->size_class]) =
      block->same_next;
  if (block->same_next != nullptr) block->same_next->same_previous = block->same_previous;
  (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
  (block->newer != nullptr ? block->newer->older : newest_) = block->older;
  kept_ -= static_cast<std::int64_t>(block->size);
}

// The chain of those dropped is linked by `same_next`, so that they go back to the system outside
// the lock.
MemoryPool::Block* MemoryPool::UnlinkOldestAbove(std::int64_t kept_max) {
  Block* chain = nullptr;
  while (kept_ > kept_max && oldest_ != nullptr) {
    Block* block = oldest_;
    Unlink(block);
    block->same_next = chain;
    chain = block;
  }
  return chain;
}

MemoryPool::Block* MemoryPool::Obtain(std::size_t size) {
  void* data = nullptr;
  if (size >= kMappedMin) {
    data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
  } else {
    data = std::aligned_alloc(kAlignment, size);
    if (data == nullptr) return nullptr;
  }
  return new (data) Block();
}

void MemoryPool::Return(Block* chain) noexcept {
  while (chain != nullptr) {
    Block* next = chain->same_next;
    if (chain->size >= kMappedMin) {
      munmap(chain, chain->size);
    } else {
      std::free(chain);
    }
    chain = next;
  }
}

}  // namespace cotenant
