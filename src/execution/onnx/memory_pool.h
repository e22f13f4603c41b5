#pragma once

/// The memory of all networks in one place, counted exactly.
///
/// ONNX Runtime's own arenas keep what the largest run ever took, one arena per session. This pool
/// is shared: blocks that one network gave back serve the next one, what is kept is bounded, and
/// every block is charged to the session or run that asked for it, so that one which asks for too
/// much fails alone.
///
/// Blocks come in size classes an eighth of a power of two apart; large ones are mapped and go back
/// to the system when dropped. Counted is what a block really takes, rounding and header included.
/// Any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>

#include "base/bytes.h"

namespace cotenant {

/// Thrown where a limit does not allow an allocation, because kernels cope with an exception, not
/// with null.
class MemoryRefused : public std::bad_alloc {
 public:
  const char* what() const noexcept override { return "bad_alloc: over the limit of memory"; }
};

/// What one session or one run has in use. Lives as long as its owner or the last of its blocks.
class MemoryAccount {
 public:
  Bytes in_use() const { return Bytes(in_use_.load(std::memory_order_relaxed)); }
  Bytes peak() const { return Bytes(peak_.load(std::memory_order_relaxed)); }
  /// The part of it that is mapped, and so not malloc's.
  Bytes mapped() const { return Bytes(mapped_.load(std::memory_order_relaxed)); }
  /// The peak from here on. Called by the thread that the account is charged by.
  void RestartPeak();
  /// Was an allocation refused since the last restart? For telling such a failure from others.
  bool refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  friend class MemoryPool;
  struct DropOwner {
    void operator()(MemoryAccount* account) const;
  };

  MemoryAccount(Bytes in_use_max, bool keeps_blocks)
      : in_use_max_(in_use_max), keeps_blocks_(keeps_blocks) {}

  const Bytes in_use_max_;
  const bool keeps_blocks_;
  std::atomic<std::int64_t> in_use_{0};
  std::atomic<std::int64_t> peak_{0};
  std::atomic<std::int64_t> mapped_{0};
  std::atomic<bool> refused_{false};
  std::atomic<std::int64_t> references_{1};  // Its owner and its blocks.
};

class MemoryPool {
 public:
  struct Limits {
    Bytes in_use_max;  ///< Of all blocks together. Raise it with the machine's memory.
    Bytes kept_max;    ///< Of free blocks kept for the next run. Raise it if runs fault pages in.
    /// Of runs' blocks in use and those kept, together: free blocks are only kept within it. It
    /// refuses nothing.
    Bytes runs_max = Bytes(INT64_MAX / 2);
  };
  struct Figures {
    Bytes in_use;
    Bytes peak;
    Bytes kept;
  };
  using AccountOwner = std::unique_ptr<MemoryAccount, MemoryAccount::DropOwner>;

  explicit MemoryPool(Limits limits) : limits_(limits) {}
  /// From now on. What is in use stays, whatever the limits.
  void SetLimits(Limits limits) noexcept;
  Limits limits() const;
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  /// All blocks must have been freed.
  ~MemoryPool();

  /// `keeps_blocks`: are its freed blocks worth keeping? Yes for runs, no for loading.
  static AccountOwner OpenAccount(Bytes in_use_max, bool keeps_blocks);

  /// Aligned to 64. Charged to the calling thread's account, if it has one. Throws MemoryRefused
  /// over a limit or when the system has no memory.
  void* Allocate(std::size_t size);
  /// Takes what `Allocate` gave, or null. Any thread.
  void Free(void* data) noexcept;
  /// Gives all free blocks back to the system.
  void Trim() noexcept;
  /// Gives those back that lay free since before the last call of this. True when some are left.
  /// Called at even times, it keeps what is in use again and again, and nothing else for long.
  bool TrimUnused() noexcept;
  Figures figures() const;

  /// While it exists, what the thread allocates is charged to the account. Nests. Once `stop`,
  /// where there is one, is set, everything is refused: for a load that the library would not break
  /// off.
  class Charge {
   public:
    explicit Charge(MemoryAccount& account, const std::atomic<bool>* stop = nullptr);
    ~Charge();
    Charge(const Charge&) = delete;
    Charge& operator=(const Charge&) = delete;

   private:
    MemoryAccount* outer_;
    const std::atomic<bool>* outer_stop_;
  };

 private:
  struct Block;
  static constexpr std::size_t kClasses = 64 * 8;

  Block* TakeKept(std::size_t size_class);
  void Keep(Block* block);
  void Unlink(Block* block);
  Block* UnlinkOldestAbove(std::int64_t kept_max);
  /// Most that may be kept now.
  std::int64_t KeptMax() const;
  static Block* Obtain(std::size_t size);
  static void Return(Block* chain) noexcept;

  Limits limits_;
  mutable std::mutex mutex_;
  std::int64_t in_use_ = 0;
  std::int64_t runs_in_use_ = 0;  ///< Of it: by accounts whose blocks are kept.
  std::int64_t peak_ = 0;
  std::int64_t kept_ = 0;
  std::array<Block*, kClasses> free_{};
  Block* oldest_ = nullptr;
  Block* newest_ = nullptr;
  std::uint64_t age_ = 0;  ///< Calls of `TrimUnused`.
};

}  // namespace cotenant
