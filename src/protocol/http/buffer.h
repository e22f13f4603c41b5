#pragma once

/// Bytes on the way in: a block that begins on a cache line and always has `kPadding` readable
/// bytes behind its end, which the JSON parser needs. Growing does not touch new memory, so that a
/// body that was announced but never comes costs address space only.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace cotenant {

class Buffer {
 public:
  static constexpr std::size_t kPadding = 64;
  static constexpr std::size_t kAlignment = 64;

  /// Room for `capacity` bytes in all; the content stays. False when there is no memory.
  bool Reserve(std::size_t capacity) {
    if (capacity <= capacity_) return true;
    const std::size_t whole = (capacity + kPadding + kAlignment - 1) / kAlignment * kAlignment;
    std::unique_ptr<std::byte, Free> block(
        static_cast<std::byte*>(std::aligned_alloc(kAlignment, whole)));
    if (block == nullptr) return false;
    if (size_ > 0) std::memcpy(block.get(), block_.get(), size_);
    block_ = std::move(block);
    capacity_ = whole - kPadding;
    return true;
  }
  /// Room for `count` more bytes, growing by doubling so that appending costs linear time.
  bool ReserveMore(std::size_t count) {
    if (capacity_ - size_ >= count) return true;
    return Reserve(size_ + count > 2 * capacity_ ? size_ + count : 2 * capacity_);
  }
  bool Append(const void* bytes, std::size_t count) {
    if (!ReserveMore(count)) return false;
    if (count > 0) std::memcpy(block_.get() + size_, bytes, count);
    size_ += count;
    return true;
  }
  /// Bytes written behind the end by somebody else (recv, zlib) become part of it.
  void Grow(std::size_t count) { size_ += count; }
  void Clear() { size_ = 0; }
  void Truncate(std::size_t size) { size_ = size; }
  void RemoveFront(std::size_t count) {
    if (count > 0 && count < size_) std::memmove(data(), data() + count, size_ - count);
    size_ -= count;
  }
  /// Gives the memory back.
  void Release() {
    block_.reset();
    size_ = capacity_ = 0;
  }

  std::byte* data() { return block_.get(); }
  const std::byte* data() const { return block_.get(); }
  std::byte* end() { return block_.get() + size_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t room() const { return capacity_ - size_; }

 private:
  struct Free {
    void operator()(std::byte* block) const { std::free(block); }
  };
  std::unique_ptr<std::byte, Free> block_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace cotenant
