/// A request's head: whatever is accepted, Beast accepts with the same meaning; the end is found
/// however the bytes arrive.

#include <boost/beast/http.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/http/head_parser.h"
#include "protocol/http/router.h"

namespace http = boost::beast::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = cotenant::FindHeadEnd(text, 0);
  const std::size_t half = size / 2;
  if (cotenant::FindHeadEnd(text.substr(0, half), 0) == std::string_view::npos) {
    COTENANT_CHECK(cotenant::FindHeadEnd(text, half) == end);
  }
  if (end == std::string_view::npos) return 0;
  static cotenant::HttpHead head;
  if (cotenant::ParseHead(text.substr(0, end), head).has_value()) return 0;
  std::string scratch;
  static_cast<void>(cotenant::FindRoute(head.target, scratch));
  // Beast obeys this one too, which no standard knows.
  for (const cotenant::HttpField& field : head.fields()) {
    if (cotenant::EqualsIgnoringCase(field.name, "proxy-connection")) return 0;
  }
  http::request_parser<http::empty_body> beast;
  beast.header_limit(1 << 24);
  beast.body_limit(boost::none);
  boost::system::error_code error;
  beast.put(boost::asio::buffer(data, end), error);
  COTENANT_CHECK(beast.is_header_done());
  COTENANT_CHECK(head.method_text == std::string_view(beast.get().method_string()));
  COTENANT_CHECK(head.target == std::string_view(beast.get().target()));
  COTENANT_CHECK(head.chunked == beast.chunked());
  // In HTTP/1.0 Beast lets keep-alive win over close; the standard says the opposite.
  COTENANT_CHECK(head.keep_alive == beast.keep_alive() || (head.http_1_0 && !head.keep_alive));
  const auto length = beast.content_length();
  COTENANT_CHECK(head.content_length.has_value() == length.has_value());
  if (length) COTENANT_CHECK(*head.content_length == *length);
  return 0;
}
