#pragma once

/// SHA-256 (FIPS 180-4), for naming contents: a profile belongs to a network by its digest, which
/// people can check with `sha256sum`. Not for secrets. About 250 MB a second.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cotenant {

class Sha256 {
 public:
  void Add(std::span<const std::byte> bytes);
  void Add(std::string_view text) { Add(std::as_bytes(std::span(text.data(), text.size()))); }
  /// The digest as 64 hexadecimal digits. Once; nothing may be added afterwards.
  std::string Finish();

 private:
  static constexpr std::size_t kBlock = 64;
  void AddBlock(const std::byte* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlock> rest_{};
  std::uint64_t size_ = 0;
};

}  // namespace cotenant
