#include "client/reply_reader.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

using State = ReplyReader::State;

State ReadInPieces(ReplyReader& reader, std::string_view bytes, std::size_t piece) {
  reader.Begin(1000);
  State state = State::kMore;
  while (!bytes.empty() && state == State::kMore) {
    state = reader.Read(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return bytes.empty() ? state : State::kBroken;
}

TEST(ReplyReader, AReplyMayComeInPiecesOfAnySize) {
  constexpr std::string_view kCounted =
      "HTTP/1.1 200 OK\r\ncontent-length:  5\r\nX: y\r\n\r\nhello";
  constexpr std::string_view kChunked =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: z\r\n\r\n";
  for (const std::string_view bytes : {kCounted, kChunked}) {
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
      ReplyReader reader;
      ASSERT_EQ(ReadInPieces(reader, bytes, piece), State::kWhole) << piece;
      EXPECT_EQ(reader.status(), 200);
      EXPECT_EQ(reader.body(), "hello");
      EXPECT_TRUE(reader.keep_alive());
    }
  }
}

TEST(ReplyReader, ABodyWithoutALengthEndsWithTheConnection) {
  ReplyReader reader;
  EXPECT_EQ(ReadInPieces(reader, "HTTP/1.1 500 No\r\n\r\nwhat", 100), State::kMore);
  EXPECT_EQ(reader.End(), State::kWhole);
  EXPECT_EQ(reader.body(), "what");
  EXPECT_FALSE(reader.keep_alive());
}

TEST(ReplyReader, OnlyTheBeginningOfALargeBodyIsKept) {
  ReplyReader reader;
  const std::string body(5000, 'x');
  EXPECT_EQ(ReadInPieces(reader, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body, 700),
            State::kWhole);
  EXPECT_EQ(reader.body().size(), 1000U);
}

TEST(ReplyReader, CloseAndOldVersionsEndTheConnection) {
  ReplyReader reader;
  ReadInPieces(reader, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 100);
  EXPECT_FALSE(reader.keep_alive());
  EXPECT_EQ(ReadInPieces(reader, "HTTP/1.0 204 OK\r\n\r\n", 100), State::kWhole);
  EXPECT_FALSE(reader.keep_alive());
}

TEST(ReplyReader, WhatIsNoReplyIsBroken) {
  for (const std::string_view bytes :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\ntoo long"}) {
    ReplyReader reader;
    EXPECT_EQ(ReadInPieces(reader, bytes, 1000), State::kBroken) << bytes;
  }
  ReplyReader reader;
  EXPECT_EQ(ReadInPieces(reader, std::string(70'000, 'x'), 1000), State::kBroken);
  ReadInPieces(reader, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", 1000);
  EXPECT_EQ(reader.End(), State::kBroken);
}

}  // namespace
}  // namespace cotenant
