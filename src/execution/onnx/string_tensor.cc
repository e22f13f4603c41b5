#include "execution/onnx/string_tensor.h"

#include <cstdint>
#include <cstring>
#include <limits>

namespace cotenant {
namespace {

constexpr std::size_t kPrefix = 4;

std::size_t ReadLength(const std::byte* from) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < kPrefix; ++i) {
    length |= std::to_integer<std::uint32_t>(from[i]) << (8 * i);
  }
  return length;
}

void WriteLength(std::size_t length, std::byte* to) {
  for (std::size_t i = 0; i < kPrefix; ++i) {
    to[i] = static_cast<std::byte>((length >> (8 * i)) & 0xff);
  }
}

}  // namespace

Status FillStrings(std::span<const std::byte> raw, std::size_t count, std::size_t first,
                   OrtValue& value) {
  for (std::size_t i = 0; i < count; ++i) {
    if (raw.size() < kPrefix) return InvalidArgument("a tensor of BYTES ends early");
    const std::size_t length = ReadLength(raw.data());
    raw = raw.subspan(kPrefix);
    if (raw.size() < length) return InvalidArgument("a tensor of BYTES ends early");
    char* to = nullptr;
    // Not FillStringTensorElement: that one ends at the first zero byte.
    COTENANT_RETURN_IF_ORT_ERROR(
        Ort().GetResizedStringTensorElementBuffer(&value, first + i, length, &to), "strings");
    if (length > 0) std::memcpy(to, raw.data(), length);
    raw = raw.subspan(length);
  }
  if (!raw.empty()) return InvalidArgument("a tensor of BYTES has more bytes than its shape says");
  return Status();
}

Status RawStringsSize(const OrtValue& value, std::size_t count, std::size_t* size) {
  std::size_t content = 0;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetStringTensorDataLength(&value, &content), "strings");
  *size = content + count * kPrefix;
  return Status();
}

Status CopyStrings(const OrtValue& value, std::span<std::byte> raw, std::span<std::size_t> starts) {
  const std::size_t count = starts.size() - 1;
  starts[count] = raw.size();
  if (count == 0) return Status();
  const std::size_t content = raw.size() - count * kPrefix;
  // The library packs the contents without gaps; they go to the end of the buffer, and each then
  // moves down to its place, which is never behind where it lies.
  std::byte* packed = raw.data() + count * kPrefix;
  COTENANT_RETURN_IF_ORT_ERROR(
      Ort().GetStringTensorContent(&value, packed, content, starts.data(), count), "strings");
  std::size_t to = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t from = starts[i];
    const std::size_t next = i + 1 < count ? starts[i + 1] : content;
    const std::size_t length = next - from;
    if (length > std::numeric_limits<std::uint32_t>::max()) {
      return Internal("an output has a string of 4 GiB or more");
    }
    starts[i] = to;
    if (length > 0) std::memmove(raw.data() + to + kPrefix, packed + from, length);
    WriteLength(length, raw.data() + to);
    to += kPrefix + length;
  }
  return Status();
}

}  // namespace cotenant
