#include "protocol/http/head_parser.h"

#include <gtest/gtest.h>

#include <boost/beast/http.hpp>
#include <memory>
#include <string>
#include <vector>

namespace cotenant {
namespace {

namespace http = boost::beast::http;

std::string Request(std::string_view fields) {
  return "POST /v2/models/m/infer HTTP/1.1\r\n" + std::string(fields) + "\r\n";
}

std::unique_ptr<HttpHead> Parsed(std::string_view text) {
  auto head = std::make_unique<HttpHead>();
  const auto error = ParseHead(text, *head);
  EXPECT_FALSE(error.has_value()) << error->message;
  return head;
}

TEST(HeadParser, ATritonClientsHeadIsReadWhole) {
  const std::string text = Request(
      "Host: localhost:8000\r\nInference-Header-Content-Length: 212\r\ncontent-length:340\r\n"
      "Content-Type: application/octet-stream \r\ntraceparent: 00-aa-bb-01\r\n"
      "Accept-Encoding: deflate;q=1, gzip\r\n");
  const auto head = Parsed(text);
  EXPECT_EQ(head->method, HttpMethod::kPost);
  EXPECT_EQ(head->target, "/v2/models/m/infer");
  EXPECT_EQ(head->json_length, 212U);
  EXPECT_EQ(head->content_length, 340U);
  EXPECT_EQ(head->content_type, "application/octet-stream");
  EXPECT_EQ(head->traceparent, "00-aa-bb-01");
  EXPECT_EQ(head->accepted_coding, HttpCoding::kGzip);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_EQ(head->fields().size(), 6U);
}

TEST(HeadParser, ConnectionsPersistAsTheVersionSays) {
  const struct {
    std::string_view version, field;
    bool keep_alive;
  } kCases[] = {{"1.1", "", true},
                {"1.1", "Connection: close\r\n", false},
                {"1.1", "Connection: foo, CLOSE\r\n", false},
                {"1.0", "", false},
                {"1.0", "Connection: Keep-Alive\r\n", true},
                {"1.0", "Connection: keep-alive, close\r\n", false}};
  for (const auto& row : kCases) {
    const std::string text =
        "GET / HTTP/" + std::string(row.version) + "\r\n" + std::string(row.field) + "\r\n";
    EXPECT_EQ(Parsed(text)->keep_alive, row.keep_alive) << text;
  }
}

TEST(HeadParser, AQualityOfZeroRefusesACoding) {
  EXPECT_EQ(Parsed(Request("Accept-Encoding: gzip;q=0, deflate\r\n"))->accepted_coding,
            HttpCoding::kDeflate);
  EXPECT_EQ(Parsed(Request("Accept-Encoding: gzip; q=0.000\r\n"))->accepted_coding,
            HttpCoding::kIdentity);
  EXPECT_EQ(Parsed(Request("Accept-Encoding: gzip;q=0.5\r\n"))->accepted_coding, HttpCoding::kGzip);
}

TEST(HeadParser, TheEndIsFoundHoweverTheBytesArrive) {
  const std::string text = Request("Host: a\r\n") + "body\r\n\r\n";
  std::size_t searched = 0;
  for (std::size_t length = 1; length <= text.size(); ++length) {
    const std::size_t end = FindHeadEnd(std::string_view(text).substr(0, length), searched);
    if (length < text.size() - 8) {
      EXPECT_EQ(end, std::string_view::npos);
    } else {
      EXPECT_EQ(end, text.size() - 8);
      break;
    }
    searched = length;
  }
}

TEST(HeadParser, EveryRefusalHasItsStatusAndText) {
  std::string many;
  for (int i = 0; i < 65; ++i) many += "a: b\r\n";
  const struct {
    std::string text;
    int status;
    std::string message;
  } kCases[] = {
      {"\r\n", 400, "malformed request line"},
      {"GET\r\n\r\n", 400, "malformed request line"},
      {"GET  / HTTP/1.1\r\n\r\n", 400, "malformed request line"},
      {" / HTTP/1.1\r\n\r\n", 400, "malformed request line"},
      {"G(T / HTTP/1.1\r\n\r\n", 400, "malformed method in the request line"},
      {"GET /\x01 HTTP/1.1\r\n\r\n", 400, "malformed target in the request line"},
      {"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", 400, "malformed target in the request line"},
      {"GET / HTTP/2.0\r\n\r\n", 505, "HTTP version not supported; expected HTTP/1.0 or HTTP/1.1"},
      {"GET / HTTP/1.1 \r\n\r\n", 400, "malformed version in the request line"},
      {"GET / http/1.1\r\n\r\n", 400, "malformed version in the request line"},
      {Request("Host\r\n"), 400, "header field without a name"},
      {Request(": x\r\n"), 400, "header field without a name"},
      {Request("Host : x\r\n"), 400, "malformed name of a header field"},
      {Request("Host: a\r\n b\r\n"), 400, "folded header fields are not allowed"},
      {Request("Host: a\x01\r\n"), 400, "malformed value of a header field"},
      {Request("Host: a\nb: c\r\n"), 400, "malformed value of a header field"},
      {Request("Host: a\rb\r\n"), 400, "a line must end in CR LF"},
      {Request(many), 431, "too many header fields; at most 64"},
      {Request("Content-Length: 1\r\nContent-Length: 2\r\n"), 400,
       "Content-Length must be one whole number of bytes"},
      {Request("Content-Length: +1\r\n"), 400, "Content-Length must be one whole number of bytes"},
      {Request("Content-Length: 1, 1\r\n"), 400,
       "Content-Length must be one whole number of bytes"},
      {Request("Content-Length: 99999999999999999999\r\n"), 400,
       "Content-Length must be one whole number of bytes"},
      {Request("Content-Length:\r\n"), 400, "Content-Length must be one whole number of bytes"},
      {Request("Inference-Header-Content-Length: x\r\n"), 400,
       "Inference-Header-Content-Length must be one whole number of bytes"},
      {Request("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400,
       "Content-Length and Transfer-Encoding exclude each other"},
      {Request("Transfer-Encoding: gzip, chunked\r\n"), 501,
       "Transfer-Encoding not supported; expected chunked alone"},
      {Request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501,
       "Transfer-Encoding not supported; expected chunked alone"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
       "Transfer-Encoding does not exist in HTTP/1.0"},
      {Request("Content-Encoding: br\r\n"), 415,
       "Content-Encoding not supported; expected gzip, deflate or identity"},
      {Request("Connection: keep-alive, a b\r\n"), 400, "Connection must be a list of names"},
      {Request("Expect: 200-ok\r\n"), 417, "Expect not supported; expected 100-continue"},
  };
  HttpHead head;
  for (const auto& row : kCases) {
    const auto error = ParseHead(row.text, head);
    ASSERT_TRUE(error.has_value()) << row.text;
    EXPECT_EQ(error->status, row.status) << row.text;
    EXPECT_EQ(error->message, row.message) << row.text;
  }
}

/// Beast's opinion: its fields, or nothing when it refuses.
std::optional<http::request_header<>> BeastParses(const std::string& text, bool& keep_alive,
                                                  bool& chunked) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(1 << 20);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(text), error);
  if (error && error != http::error::need_more) return std::nullopt;
  if (!parser.is_header_done()) return std::nullopt;
  keep_alive = parser.keep_alive();
  chunked = parser.chunked();
  return parser.get().base();
}

TEST(HeadParser, WhatIsAcceptedReadsAsInBeast) {
  std::vector<std::string> texts = {
      Request(""),
      Request("Host: a\r\nX-Empty:\r\nX-Blank: \t \r\nX-Inner: a b\tc\r\n"),
      Request("Content-Length: 0\r\n"),
      Request("Content-Length: 5\r\nContent-Length: 5\r\n"),
      Request("Transfer-Encoding: chunked\r\n"),
      Request("Connection: close\r\n"),
      Request("Connection: keep-alive\r\nX: \xc3\xa4\r\n"),
      "GET /a?b=c&d=%20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
      "HEAD * HTTP/1.1\r\n\r\n",
      "PATCH-X / HTTP/1.1\r\nA!#$%&'*+-.^_`|~9: v\r\n\r\n",
  };
  HttpHead head;
  for (const std::string& text : texts) {
    ASSERT_FALSE(ParseHead(text, head).has_value()) << text;
    bool keep_alive = false;
    bool chunked = false;
    const auto beast = BeastParses(text, keep_alive, chunked);
    ASSERT_TRUE(beast.has_value()) << text;
    EXPECT_EQ(head.method_text, std::string_view(beast->method_string())) << text;
    EXPECT_EQ(head.target, std::string_view(beast->target())) << text;
    EXPECT_EQ(head.keep_alive, keep_alive) << text;
    EXPECT_EQ(head.chunked, chunked) << text;
    std::size_t i = 0;
    for (const auto& field : *beast) {
      ASSERT_LT(i, head.field_count) << text;
      bool found = false;  // Beast groups equal names, so the order may differ.
      for (const HttpField& own : head.fields()) {
        found |= EqualsIgnoringCase(own.name, std::string_view(field.name_string())) &&
                 own.value == std::string_view(field.value());
      }
      EXPECT_TRUE(found) << text;
      ++i;
    }
    EXPECT_EQ(i, head.field_count) << text;
  }
}

/// Beast takes these; we refuse them, each for the reason beside it.
TEST(HeadParser, StricterThanBeastOnlyWhereListed) {
  const std::string kOnPurpose[] = {
      // Folding is obsolete and a way to smuggle.
      Request("Host: a\r\n b\r\n"),
      // One spelling of a length.
      Request("Content-Length: 5, 5\r\n"),
      // Codings that nobody undoes here.
      Request("Transfer-Encoding: gzip\r\n"),
      Request("Transfer-Encoding: gzip, chunked\r\n"),
      Request("Content-Encoding: br\r\n"),
      // Not part of HTTP/1.0.
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      // Nothing that could be met.
      Request("Expect: 200-ok\r\n"),
  };
  HttpHead head;
  bool ignored = false;
  for (const std::string& text : kOnPurpose) {
    EXPECT_TRUE(ParseHead(text, head).has_value()) << text;
    EXPECT_TRUE(BeastParses(text, ignored, ignored).has_value()) << text;
  }
  const std::string kBoth[] = {
      "GET\r\n\r\n",
      "GET  / HTTP/1.1\r\n\r\n",
      "G(T / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1 \r\n\r\n",
      "GET / HTTP/3.1\r\n\r\n",
      Request("Host : x\r\n"),
      Request("Host\r\n"),
      Request("Connection: keep-alive, a: b\r\n"),
      Request("Host: a\nb: c\r\n"),
      Request("Host: a\rb\r\n"),
      Request("Content-Length: -1\r\n"),
      Request("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
      Request("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
      Request("Content-Length: 1\r\nContent-Length: 2\r\n"),
  };
  for (const std::string& text : kBoth) {
    EXPECT_TRUE(ParseHead(text, head).has_value()) << text;
    EXPECT_FALSE(BeastParses(text, ignored, ignored).has_value()) << text;
  }
}

TEST(HeadParser, EveryByteInEveryPlaceIsJudgedAsBeastDoesOrStricter) {
  HttpHead head;
  bool ignored = false;
  for (int c = 0; c < 256; ++c) {
    const std::string byte(1, static_cast<char>(c));
    for (const std::string& text :
         {"G" + byte + "T / HTTP/1.1\r\n\r\n", "GET /" + byte + " HTTP/1.1\r\n\r\n",
          Request("a" + byte + "b: c\r\n"), Request("a: b" + byte + "c\r\n")}) {
      if (!ParseHead(text, head).has_value()) {
        EXPECT_TRUE(BeastParses(text, ignored, ignored).has_value()) << c << ": " << text;
      }
    }
  }
}

}  // namespace
}  // namespace cotenant
