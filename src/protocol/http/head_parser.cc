#include "protocol/http/head_parser.h"

namespace cotenant {
namespace {

enum CharClass : unsigned char { kToken = 1, kTarget = 2, kText = 4 };

/// Which bytes may stand in a name (RFC 9110's token), in a target, in a field's value.
constexpr std::array<unsigned char, 256> MakeClasses() {
  std::array<unsigned char, 256> classes{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool token =
        alphanumeric ||
        std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
    const bool visible = c > 0x20 && c < 0x7f;
    if (token) classes[c] |= kToken;
    if (visible) classes[c] |= kTarget;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) classes[c] |= kText;
  }
  return classes;
}
constexpr auto kClasses = MakeClasses();

bool Is(char c, CharClass wanted) {
  return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

bool AllAre(std::string_view text, CharClass wanted) {
  for (char c : text) {
    if (!Is(c, wanted)) return false;
  }
  return true;
}

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

/// Digits only: no sign, no blank, at most 18 of them, so that no sum overflows later.
std::optional<std::uint64_t> ParseLength(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t length = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return length;
}

/// Takes the next element off a comma-separated list.
std::string_view NextElement(std::string_view& list) {
  const std::size_t comma = list.find(',');
  const std::string_view element = Trim(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return element;
}

HttpMethod MethodOf(std::string_view text) {
  if (text == "POST") return HttpMethod::kPost;
  if (text == "GET") return HttpMethod::kGet;
  if (text == "HEAD") return HttpMethod::kHead;
  return HttpMethod::kOther;
}

/// What fields say about the connection and the framing; judged when all are read.
struct Framing {
  bool close = false;
  bool keep_alive = false;
  bool transfer_encoding = false;
};

using Problem = std::optional<HeadError>;

Problem Bad(const char* message, int status = 400) { return HeadError{status, message}; }

Problem ParseRequestLine(std::string_view line, HttpHead& head) {
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos || first == 0) return Bad("malformed request line");
  const std::size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos || second == first + 1) {
    return Bad("malformed request line");
  }
  head.method_text = line.substr(0, first);
  head.target = line.substr(first + 1, second - first - 1);
  if (!AllAre(head.method_text, kToken)) return Bad("malformed method in the request line");
  if (!AllAre(head.target, kTarget)) return Bad("malformed target in the request line");
  head.method = MethodOf(head.method_text);
  const std::string_view version = line.substr(second + 1);
  if (version == "HTTP/1.1") return std::nullopt;
  if (version == "HTTP/1.0") {
    head.http_1_0 = true;
    return std::nullopt;
  }
  if (version.size() == 8 && version.starts_with("HTTP/")) {
    return Bad("HTTP version not supported; expected HTTP/1.0 or HTTP/1.1", 505);
  }
  return Bad("malformed version in the request line");
}

Problem TakeConnection(std::string_view list, Framing& framing) {
  while (!list.empty()) {
    const std::string_view option = NextElement(list);
    if (!AllAre(option, kToken)) return Bad("Connection must be a list of names");
    if (EqualsIgnoringCase(option, "close")) framing.close = true;
    if (EqualsIgnoringCase(option, "keep-alive")) framing.keep_alive = true;
  }
  return std::nullopt;
}

Problem TakeLength(std::string_view value, std::optional<std::uint64_t>& length,
                   const char* message) {
  const auto parsed = ParseLength(value);
  if (!parsed || (length && *length != *parsed)) return Bad(message);
  length = parsed;
  return std::nullopt;
}

Problem TakeContentCoding(std::string_view value, HttpHead& head) {
  if (EqualsIgnoringCase(value, "gzip") || EqualsIgnoringCase(value, "x-gzip")) {
    head.content_coding = HttpCoding::kGzip;
  } else if (EqualsIgnoringCase(value, "deflate")) {
    head.content_coding = HttpCoding::kDeflate;
  } else if (!value.empty() && !EqualsIgnoringCase(value, "identity")) {
    return Bad("Content-Encoding not supported; expected gzip, deflate or identity", 415);
  }
  return std::nullopt;
}

/// gzip wins when both are taken; a quality of zero refuses.
void TakeAcceptedCoding(std::string_view list, HttpHead& head) {
  while (!list.empty()) {
    std::string_view element = NextElement(list);
    const std::size_t semicolon = element.find(';');
    const std::string_view coding = Trim(element.substr(0, semicolon));
    if (semicolon != std::string_view::npos) {
      const std::string_view quality = Trim(element.substr(semicolon + 1));
      if (quality.starts_with("q=0") && quality.find_first_of("123456789") == quality.npos) {
        continue;
      }
    }
    if (EqualsIgnoringCase(coding, "gzip")) head.accepted_coding = HttpCoding::kGzip;
    if (EqualsIgnoringCase(coding, "deflate") && head.accepted_coding != HttpCoding::kGzip) {
      head.accepted_coding = HttpCoding::kDeflate;
    }
  }
}

/// Notes the fields that mean something to the server. The length of the name tells most others
/// apart.
Problem TakeField(const HttpField& field, HttpHead& head, Framing& framing) {
  const auto is = [&field](std::string_view name) { return EqualsIgnoringCase(field.name, name); };
  switch (field.name.size()) {
    case 6:
      if (is("expect")) {
        if (!EqualsIgnoringCase(field.value, "100-continue")) {
          return Bad("Expect not supported; expected 100-continue", 417);
        }
        head.expect_continue = true;
      }
      break;
    case 10:
      if (is("connection")) return TakeConnection(field.value, framing);
      break;
    case 11:
      if (is("traceparent")) head.traceparent = field.value;
      break;
    case 12:
      if (is("content-type")) head.content_type = field.value;
      break;
    case 14:
      if (is("content-length")) {
        return TakeLength(field.value, head.content_length,
                          "Content-Length must be one whole number of bytes");
      }
      break;
    case 15:
      if (is("accept-encoding")) TakeAcceptedCoding(field.value, head);
      break;
    case 16:
      if (is("content-encoding")) return TakeContentCoding(field.value, head);
      break;
    case 17:
      if (is("transfer-encoding")) {
        if (framing.transfer_encoding || !EqualsIgnoringCase(field.value, "chunked")) {
          return Bad("Transfer-Encoding not supported; expected chunked alone", 501);
        }
        framing.transfer_encoding = true;
      }
      break;
    case 31:
      if (is("inference-header-content-length")) {
        return TakeLength(field.value, head.json_length,
                          "Inference-Header-Content-Length must be one whole number of bytes");
      }
      break;
    default: break;
  }
  return std::nullopt;
}

Problem ParseFieldLine(std::string_view line, HttpHead& head, Framing& framing) {
  if (IsBlank(line.front())) return Bad("folded header fields are not allowed");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return Bad("header field without a name");
  if (head.field_count == kHeadFieldsMax) return Bad("too many header fields; at most 64", 431);
  HttpField& field = head.field_array[head.field_count];
  field.name = line.substr(0, colon);
  field.value = Trim(line.substr(colon + 1));
  if (!AllAre(field.name, kToken)) return Bad("malformed name of a header field");
  if (!AllAre(field.value, kText)) return Bad("malformed value of a header field");
  ++head.field_count;
  return TakeField(field, head, framing);
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

std::size_t FindHeadEnd(std::string_view bytes, std::size_t from) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  // The end may have begun in bytes that were searched before.
  const std::size_t start = from < kEnd.size() - 1 ? 0 : from - (kEnd.size() - 1);
  const std::size_t at = bytes.find(kEnd, start);
  return at == std::string_view::npos ? at : at + kEnd.size();
}

Problem ParseHead(std::string_view bytes, HttpHead& head) {
  head.http_1_0 = head.chunked = head.expect_continue = false;
  head.content_coding = head.accepted_coding = HttpCoding::kIdentity;
  head.content_length.reset();
  head.json_length.reset();
  head.content_type = head.traceparent = {};
  head.field_count = 0;
  Framing framing;
  bool first = true;
  while (true) {
    const std::size_t end = bytes.find('\r');
    if (end == std::string_view::npos) return Bad("head without its empty line");
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end);
    if (!bytes.starts_with("\r\n")) return Bad("a line must end in CR LF");
    bytes.remove_prefix(2);
    if (line.empty()) break;
    const Problem problem =
        first ? ParseRequestLine(line, head) : ParseFieldLine(line, head, framing);
    if (problem) return problem;
    first = false;
  }
  if (first) return Bad("malformed request line");
  if (framing.transfer_encoding) {
    if (head.content_length) return Bad("Content-Length and Transfer-Encoding exclude each other");
    if (head.http_1_0) return Bad("Transfer-Encoding does not exist in HTTP/1.0");
    head.chunked = true;
  }
  head.keep_alive = head.http_1_0 ? framing.keep_alive && !framing.close : !framing.close;
  return std::nullopt;
}

}  // namespace cotenant
