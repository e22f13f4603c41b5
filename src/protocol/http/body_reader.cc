#include "protocol/http/body_reader.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"
#include "protocol/http/hex_digit.h"

namespace cotenant {
namespace {

/// Extensions of all chunks plus trailers of one body. Nobody sends either; more is an attack.
constexpr std::uint32_t kOverheadMax = 16 * 1024;
constexpr int kWindowBits = 15;
constexpr int kGzipBits = 16;    // Added to the window's bits: a gzip wrapping.
constexpr int kDetectBits = 32;  // Added to the window's bits: gzip or zlib, by what is there.

/// zlib counts in 32 bits.
uInt Piece(std::size_t size) {
  return static_cast<uInt>(std::min<std::size_t>(size, std::size_t{1} << 30));
}

/// Ends zlib's state on every way out.
class InflateStream {
 public:
  InflateStream() { ok_ = inflateInit2(&stream, kWindowBits + kDetectBits) == Z_OK; }
  ~InflateStream() {
    if (ok_) inflateEnd(&stream);
  }
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;
  bool ok() const { return ok_; }
  z_stream stream{};

 private:
  bool ok_ = false;
};

Status TooLarge(std::size_t out_max) {
  return ResourceExhausted("the body is larger than " + std::to_string(out_max) +
                           " bytes when decompressed");
}

}  // namespace

/// One byte that is not payload. False when it must not stand here.
bool ChunkDecoder::TakeFraming(char c) {
  switch (place_) {
    case Place::kSize: {
      const int digit = HexDigit(c);
      if (digit >= 0) {
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        return ++digits_ <= 15;
      }
      if (digits_ == 0) return false;
      if (c == '\r') {
        place_ = Place::kSizeLf;
        return true;
      }
      place_ = Place::kExtension;
      return (c == ';' || c == ' ' || c == '\t') && ++overhead_ <= kOverheadMax;
    }
    case Place::kExtension:
      if (c == '\r') place_ = Place::kSizeLf;
      return c != '\n' && ++overhead_ <= kOverheadMax;
    case Place::kSizeLf: place_ = left_ == 0 ? Place::kTrailer : Place::kData; return c == '\n';
    case Place::kDataCr: place_ = Place::kDataLf; return c == '\r';
    case Place::kDataLf:
      place_ = Place::kSize;
      digits_ = 0;
      return c == '\n';
    case Place::kTrailer:
      place_ = c == '\r' ? Place::kEndLf : Place::kTrailerLine;
      return c != '\n' && ++overhead_ <= kOverheadMax;
    case Place::kTrailerLine:
      if (c == '\r') place_ = Place::kTrailerLf;
      return c != '\n' && ++overhead_ <= kOverheadMax;
    case Place::kTrailerLf: place_ = Place::kTrailer; return c == '\n';
    case Place::kEndLf: done_ = true; return c == '\n';
    case Place::kData: break;
  }
  return false;
}

ChunkDecoder::Step ChunkDecoder::Next(std::string_view raw) {
  Step step;
  while (step.consumed < raw.size() && !done_) {
    if (place_ == Place::kData) {
      const std::size_t count = std::min<std::uint64_t>(left_, raw.size() - step.consumed);
      step.data = raw.substr(step.consumed, count);
      step.consumed += count;
      left_ -= count;
      if (left_ == 0) place_ = Place::kDataCr;
      return step;
    }
    if (!TakeFraming(raw[step.consumed++])) {
      step.state = State::kBad;
      return step;
    }
  }
  if (done_) step.state = State::kDone;
  return step;
}

Status Decompress(HttpCoding coding, std::span<const std::byte> in, std::size_t out_max,
                  Buffer& out) {
  COTENANT_CHECK(coding != HttpCoding::kIdentity);
  const char* const name = coding == HttpCoding::kGzip ? "gzip" : "deflate";
  InflateStream inflating;
  if (!inflating.ok()) return ResourceExhausted("no memory to decompress the body");
  z_stream& stream = inflating.stream;
  // zlib's interface takes no const, but does not write to its input.
  auto* next = const_cast<std::byte*>(in.data());
  std::size_t left = in.size();
  out.Clear();
  // At the limit there may still be an end without bytes: one more byte tells it from a larger
  // body.
  Bytef beyond = 0;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      stream.next_in = reinterpret_cast<Bytef*>(next);
      stream.avail_in = Piece(left);
      next += stream.avail_in;
      left -= stream.avail_in;
    }
    const bool full = out.size() >= out_max;
    if (!full && out.room() == 0 && !out.ReserveMore(std::max<std::size_t>(4096, 2 * in.size()))) {
      return ResourceExhausted("no memory to decompress the body");
    }
    const uInt room = full ? 1 : Piece(std::min(out.room(), out_max - out.size()));
    stream.next_out = full ? &beyond : reinterpret_cast<Bytef*>(out.end());
    stream.avail_out = room;
    code = inflate(&stream, Z_NO_FLUSH);
    if (full && stream.avail_out < room) return TooLarge(out_max);
    if (!full) out.Grow(room - stream.avail_out);
    const bool stuck = code == Z_BUF_ERROR && stream.avail_in == 0 && left == 0;
    if (stuck || (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)) {
      return InvalidArgument(std::string("the body is not valid ") + name);
    }
  }
  if (stream.avail_in != 0 || left != 0) {
    return InvalidArgument(std::string("the body has bytes behind its ") + name + " end");
  }
  return Status();
}

void Compress(HttpCoding coding, std::string& text) {
  z_stream stream{};
  const int bits = coding == HttpCoding::kGzip ? kWindowBits + kGzipBits : kWindowBits;
  constexpr int kMemoryLevel = 8;
  COTENANT_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, bits, kMemoryLevel,
                              Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::size_t taken = 0;
  std::size_t made = 0;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    stream.next_in = reinterpret_cast<Bytef*>(text.data() + taken);
    stream.avail_in = Piece(text.size() - taken);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    stream.avail_out = Piece(out.size() - made);
    const uInt in_before = stream.avail_in;
    const uInt out_before = stream.avail_out;
    const bool last = taken + in_before == text.size();
    code = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    COTENANT_CHECK(code == Z_OK || code == Z_STREAM_END);
    taken += in_before - stream.avail_in;
    made += out_before - stream.avail_out;
  }
  deflateEnd(&stream);
  out.resize(made);
  text = std::move(out);
}

}  // namespace cotenant
