#include "protocol/http/body_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace cotenant {
namespace {

using State = ChunkDecoder::State;

struct Decoded {
  State state = State::kMore;
  std::string data;
  std::size_t consumed = 0;
};

/// Feeds `text` in pieces of `piece` bytes.
Decoded Decode(std::string_view text, std::size_t piece) {
  ChunkDecoder decoder;
  Decoded decoded;
  while (decoded.consumed < text.size() && decoded.state == State::kMore) {
    const auto step = decoder.Next(text.substr(decoded.consumed, piece));
    decoded.state = step.state;
    decoded.consumed += step.consumed;
    decoded.data += step.data;
  }
  return decoded;
}

TEST(ChunkDecoder, ChunksAreJoinedHoweverTheyArrive) {
  const std::string text =
      "4\r\nWiki\r\n5;name=\"v\"\r\npedia\r\nB \r\n in\r\nchunks\r\n0\r\nTrailer: x\r\n\r\nNEXT";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const Decoded decoded = Decode(text, piece);
    EXPECT_EQ(decoded.state, State::kDone);
    EXPECT_EQ(decoded.data, "Wikipedia in\r\nchunks");
    EXPECT_EQ(text.substr(decoded.consumed), "NEXT");
  }
}

TEST(ChunkDecoder, WrongFramingIsRefused) {
  for (const std::string text :
       {"\r\n", "x\r\n", "-1\r\n", "4\nWiki", "4\r\nWikiX", "4\r\nWiki\nX", "4\r Wiki",
        "1000000000000000\r\n", "0\r\n\n", "0\r\nA: b\n", "4;a\n"}) {
    EXPECT_EQ(Decode(text, 1).state, State::kBad) << text;
  }
}

TEST(ChunkDecoder, AFloodOfExtensionsIsRefused) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "1;x\r\na\r\n";
  EXPECT_EQ(Decode(text, 4096).state, State::kBad);
  EXPECT_EQ(Decode("1;" + std::string(20'000, 'x'), 4096).state, State::kBad);
  EXPECT_EQ(Decode("0\r\nA: " + std::string(20'000, 'x'), 4096).state, State::kBad);
}

TEST(ChunkDecoder, AFloodOfTinyChunksIsJoined) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "1\r\na\r\n";
  text += "0\r\n\r\n";
  const Decoded decoded = Decode(text, 16'384);
  EXPECT_EQ(decoded.state, State::kDone);
  EXPECT_EQ(decoded.data.size(), 100'000U);
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string TextOf(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

TEST(Decompress, UndoesWhatCompressDid) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + ",";
  for (const HttpCoding coding : {HttpCoding::kGzip, HttpCoding::kDeflate}) {
    std::string packed = text;
    Compress(coding, packed);
    EXPECT_LT(packed.size(), text.size() / 2);
    Buffer out;
    ASSERT_TRUE(Decompress(coding, BytesOf(packed), text.size(), out).ok()) << "exactly the limit";
    EXPECT_EQ(TextOf(out), text);
    EXPECT_EQ(Decompress(coding, BytesOf(packed), text.size() - 1, out).code(),
              Code::kResourceExhausted);
  }
}

TEST(Decompress, ABombStopsAtTheLimit) {
  std::string bomb(64 << 20, '\0');
  Compress(HttpCoding::kGzip, bomb);
  Buffer out;
  const Status status = Decompress(HttpCoding::kGzip, BytesOf(bomb), 1 << 20, out);
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_EQ(status.message(), "the body is larger than 1048576 bytes when decompressed");
  EXPECT_LE(out.capacity(), std::size_t{4} << 20);
}

TEST(Decompress, WrongBytesAreRefused) {
  std::string packed(1000, 'x');
  Compress(HttpCoding::kGzip, packed);
  Buffer out;
  const struct {
    std::string body, message;
  } kCases[] = {{"", "the body is not valid gzip"},
                {"plain text", "the body is not valid gzip"},
                {packed.substr(0, packed.size() - 1), "the body is not valid gzip"},
                {packed + "x", "the body has bytes behind its gzip end"}};
  for (const auto& row : kCases) {
    EXPECT_EQ(Decompress(HttpCoding::kGzip, BytesOf(row.body), 1 << 20, out).message(),
              row.message);
  }
}

}  // namespace
}  // namespace cotenant
