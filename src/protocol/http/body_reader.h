#pragma once

/// How a body travels: chunks are joined, gzip and deflate undone, replies compressed when asked.
///
/// Chunks are taken apart piece by piece with constant memory, whatever their size; what is
/// unpacked stops at a limit before it is written, so that no small body becomes a large one.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/http/buffer.h"
#include "protocol/http/head_parser.h"

namespace cotenant {

/// Takes the chunked coding apart. Give it the bytes in order; each call takes at least one byte.
class ChunkDecoder {
 public:
  enum class State : unsigned char { kMore, kDone, kBad };
  struct Step {
    State state = State::kMore;
    std::size_t consumed = 0;
    std::string_view data;  ///< The payload among the consumed bytes.
  };

  void Reset() { *this = ChunkDecoder(); }
  Step Next(std::string_view raw);

 private:
  enum class Place : unsigned char {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kTrailerLine,
    kTrailerLf,
    kEndLf
  };
  bool TakeFraming(char c);

  Place place_ = Place::kSize;
  bool done_ = false;
  std::uint64_t left_ = 0;      ///< Of the chunk under way; while in kSize, its size so far.
  std::uint32_t digits_ = 0;    ///< Of the chunk's size.
  std::uint32_t overhead_ = 0;  ///< Bytes of extensions and of trailers, which are skipped.
};

/// Undoes a content coding into `out`, which grows to at most `out_max`. InvalidArgument for wrong
/// bytes, ResourceExhausted when the limit is reached or there is no memory.
Status Decompress(HttpCoding coding, std::span<const std::byte> in, std::size_t out_max,
                  Buffer& out);

/// Replaces `text` by its compressed form; fast rather than small.
void Compress(HttpCoding coding, std::string& text);

}  // namespace cotenant
