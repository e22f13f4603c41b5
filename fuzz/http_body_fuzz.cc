/// A body on the way in: chunks are the same however they arrive, and what is unpacked stays below
/// its limit.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/http/body_reader.h"

namespace {

struct Joined {
  cotenant::ChunkDecoder::State state = cotenant::ChunkDecoder::State::kMore;
  std::string data;
  std::size_t consumed = 0;
};

Joined Join(std::string_view text, std::size_t piece) {
  cotenant::ChunkDecoder decoder;
  Joined joined;
  while (joined.consumed < text.size() && joined.state == cotenant::ChunkDecoder::State::kMore) {
    const auto step = decoder.Next(text.substr(joined.consumed, piece));
    COTENANT_CHECK(step.consumed > 0);
    joined.state = step.state;
    joined.consumed += step.consumed;
    joined.data += step.data;
  }
  return joined;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Joined whole = Join(text, std::max<std::size_t>(1, size));
  const Joined bytes = Join(text, 1);
  COTENANT_CHECK(whole.state == bytes.state && whole.data == bytes.data);
  COTENANT_CHECK(whole.consumed == bytes.consumed && whole.data.size() <= size);
  constexpr std::size_t kMax = 1 << 20;
  cotenant::Buffer out;
  const auto packed = std::as_bytes(std::span(data, size));
  static_cast<void>(cotenant::Decompress(cotenant::HttpCoding::kGzip, packed, kMax, out));
  COTENANT_CHECK(out.size() <= kMax);
  return 0;
}
