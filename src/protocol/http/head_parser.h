#pragma once

/// Reads the head of an HTTP/1.x request: request line and fields, up to the empty line.
///
/// Written by hand because a general parser costs more here than a tiny network takes to run.
/// Allocates nothing: the result is views into the caller's bytes. Strict on purpose, where
/// leniency is how requests get smuggled: lines end in CRLF only, no folded fields, no blank before
/// a colon, never both a length and a transfer coding, one spelling of the length. Its answers are
/// checked against Boost.Beast's.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cotenant {

/// Fields of one request. Raise it when real clients behind proxies send more; each costs 32 bytes.
inline constexpr std::size_t kHeadFieldsMax = 64;

enum class HttpMethod : unsigned char { kGet, kHead, kPost, kOther };
enum class HttpCoding : unsigned char { kIdentity, kGzip, kDeflate };

struct HttpField {
  std::string_view name;
  std::string_view value;
};

/// A parsed head. All views are into the parsed bytes.
struct HttpHead {
  HttpMethod method = HttpMethod::kOther;
  std::string_view method_text;
  std::string_view target;
  bool http_1_0 = false;
  std::span<const HttpField> fields() const { return {field_array.data(), field_count}; }

  bool keep_alive = true;
  bool chunked = false;
  bool expect_continue = false;
  HttpCoding content_coding = HttpCoding::kIdentity;
  /// The coding that the client takes for the reply and we can make; identity when it did not ask.
  HttpCoding accepted_coding = HttpCoding::kIdentity;
  std::optional<std::uint64_t> content_length;
  /// The binary tensor extension's Inference-Header-Content-Length.
  std::optional<std::uint64_t> json_length;
  std::string_view content_type;
  std::string_view traceparent;

  std::array<HttpField, kHeadFieldsMax> field_array;
  std::size_t field_count = 0;
};

/// Why a head was refused: the status to answer with and a message that names the place.
struct HeadError {
  int status = 400;
  const char* message = nullptr;
};

/// Where the head ends (just behind its empty line), searching from `from`, which the caller moves
/// along as bytes come in, so that a head sent byte by byte costs linear time. npos while there is
/// no end.
std::size_t FindHeadEnd(std::string_view bytes, std::size_t from);

/// Parses a whole head, `FindHeadEnd` of its bytes long. Fills `head` anew.
std::optional<HeadError> ParseHead(std::string_view bytes, HttpHead& head);

/// Equal but for the case of ASCII letters.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace cotenant
