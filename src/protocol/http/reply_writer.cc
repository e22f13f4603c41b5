#include "protocol/http/reply_writer.h"

#include <algorithm>
#include <variant>

#include "protocol/classification.h"
#include "protocol/http/body_reader.h"
#include "protocol/http/json_text.h"
#include "protocol/parameters.h"
#include "server/served_model.h"

namespace cotenant {
namespace {

/// Shorter text is not worth a compressor's start.
constexpr std::size_t kCompressMin = 1024;

void AppendFacts(const InferCall& call, std::string& out) {
  out += ",\"parameters\":{";
  bool first = true;
  FactsOf(call, [&](std::string_view name, const ParameterValue& value) {
    if (!first) out += ',';
    first = false;
    AppendJsonString(name, out);
    out += ':';
    if (const auto* number = std::get_if<double>(&value)) {
      AppendNumber(*number, out);
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
      AppendJsonString(*text, out);
    } else {
      out += std::get<bool>(value) ? "true" : "false";
    }
  });
  out += '}';
}

/// Whole seconds, at least one: a client that tries again at once only adds to the load.
void AppendRetryAfter(Duration span, std::string& out) {
  const std::int64_t seconds = (span.nanoseconds() + 999'999'999) / 1'000'000'000;
  out += "Retry-After: ";
  AppendNumber(std::max<std::int64_t>(1, seconds), out);
  out += "\r\n";
}

}  // namespace

int HttpStatusOf(Code code) {
  switch (code) {
    case Code::kOk: return 200;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition: return 400;
    case Code::kNotFound: return 404;
    case Code::kAlreadyExists: return 409;
    case Code::kResourceExhausted: return 507;
    case Code::kUnavailable: return 503;
    case Code::kDeadlineExceeded: return 504;
    case Code::kCancelled: return 499;
    case Code::kUnimplemented: return 501;
    case Code::kInternal: return 500;
  }
  return 500;
}

std::string_view HttpReason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Internal Server Error";
  }
}

void HttpReply::BeginHead(int status, const ReplyStyle& style) {
  status_code_ = status;
  parts_.clear();
  first_part_ = 0;
  head_ = "HTTP/1.1 ";
  AppendNumber(status, head_);
  head_ += ' ';
  head_ += HttpReason(status);
  head_ += "\r\n";
  if (!style.keep_alive) {
    head_ += "Connection: close\r\n";
  } else if (style.http_1_0) {
    head_ += "Connection: keep-alive\r\n";
  }
}

void HttpReply::EndHead(std::size_t body_size) {
  head_ += "Content-Length: ";
  AppendNumber(body_size, head_);
  head_ += "\r\n\r\n";
  AddPart(head_.data(), head_.size());
}

void HttpReply::AddPart(const void* bytes, std::size_t size) {
  // sendmsg's interface takes no const, but does not write.
  if (size > 0) parts_.push_back({const_cast<void*>(bytes), size});
}

/// Sends `body_` as it stands.
void HttpReply::Finish(int status, std::string_view content_type, std::string_view extra_header,
                       const ReplyStyle& style) {
  BeginHead(status, style);
  if (!content_type.empty()) {
    head_ += "Content-Type: ";
    head_ += content_type;
    head_ += "\r\n";
  }
  head_ += extra_header;
  if (style.coding != HttpCoding::kIdentity && body_.size() >= kCompressMin) {
    Compress(style.coding, body_);
    head_ += style.coding == HttpCoding::kGzip ? "Content-Encoding: gzip\r\n"
                                               : "Content-Encoding: deflate\r\n";
  }
  EndHead(body_.size());
  if (!style.head_only) AddPart(body_.data(), body_.size());
}

void HttpReply::SetText(int status, std::string_view content_type, std::string_view text,
                        const ReplyStyle& style) {
  body_.assign(text);
  Finish(status, content_type, {}, style);
}

void HttpReply::SetError(int status, std::string_view message, const ReplyStyle& style) {
  body_ = "{\"error\":";
  AppendJsonString(message, body_);
  body_ += '}';
  std::string extra;
  if (status == 503) AppendRetryAfter(Duration(), extra);
  Finish(status, "application/json", extra, style);
}

void HttpReply::SetNotAllowed(std::string_view methods, const ReplyStyle& style) {
  body_ = "{\"error\":\"method not allowed; expected ";
  body_ += methods;
  body_ += "\"}";
  Finish(405, "application/json", "Allow: " + std::string(methods) + "\r\n", style);
}

void HttpReply::SetFailure(const InferCall& call, const ReplyStyle& style) {
  const int status = HttpStatusOf(call.status.code());
  body_ = "{\"error\":";
  AppendJsonString(call.status.message(), body_);
  if (call.facts.earliest_bound > Duration()) {
    body_ += ",\"earliest_bound_ms\":";
    AppendMilliseconds(call.facts.earliest_bound, body_);
    body_ += ",\"estimate_ms\":";
    AppendMilliseconds(call.facts.estimate, body_);
  }
  body_ += '}';
  std::string extra;
  if (status == 503) AppendRetryAfter(call.facts.retry_after, extra);
  Finish(status, "application/json", extra, style);
}

Status HttpReply::AppendOutput(const ReplyOutput& output, bool batched) {
  const std::string_view name = output.spec->name;
  DataType datatype = output.datatype;
  Shape shape = output.shape;
  Binary binary{output.bytes.data(), 0, output.bytes.size()};
  if (output.classification > 0) {
    binary = {nullptr, classes_.size(), 0};
    auto classes = AppendClasses(output, batched, classes_);
    if (!classes.ok()) return classes.status();
    datatype = DataType::kBytes;
    shape = *classes;
    binary.size = classes_.size() - binary.offset;
  }
  body_ += "{\"name\":";
  AppendJsonString(name, body_);
  body_ += ",\"datatype\":\"";
  body_ += DataTypeName(datatype);
  body_ += "\",\"shape\":";
  AppendShape(shape, body_);
  if (output.tag != 0) {
    body_ += ",\"parameters\":{\"binary_data_size\":";
    AppendNumber(binary.size, body_);
    body_ += "}}";
    binaries_.push_back(binary);
    return Status();
  }
  body_ += ",\"data\":";
  const std::span<const std::byte> bytes =
      output.classification == 0
          ? output.bytes
          : std::as_bytes(std::span(classes_)).subspan(binary.offset, binary.size);
  COTENANT_RETURN_IF_ERROR(AppendTensorData(name, datatype, bytes, body_));
  body_ += '}';
  return Status();
}

Status HttpReply::SetOutputs(const InferCall& call, bool with_facts, const ReplyStyle& style) {
  const ModelConfig& config = call.served->config();
  body_.clear();
  classes_.clear();
  binaries_.clear();
  body_ += '{';
  if (!call.id.empty()) {
    body_ += "\"id\":";
    AppendJsonString(call.id, body_);
    body_ += ',';
  }
  body_ += "\"model_name\":";
  AppendJsonString(config.name, body_);
  body_ += ",\"model_version\":\"";
  body_ += call.served->version_text();
  body_ += '"';
  if (with_facts) AppendFacts(call, body_);
  body_ += ",\"outputs\":[";
  bool first = true;
  bool any_binary = false;
  std::size_t binary_size = 0;
  for (const ReplyOutput& output : call.outputs) {
    if (!first) body_ += ',';
    first = false;
    any_binary |= output.tag != 0;
    COTENANT_RETURN_IF_ERROR(AppendOutput(output, config.max_batch_size > 0));
  }
  body_ += "]}";
  if (!any_binary) {
    Finish(200, "application/json", {}, style);
    return Status();
  }
  for (const Binary& binary : binaries_) binary_size += binary.size;
  BeginHead(200, style);
  head_ += "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: ";
  AppendNumber(body_.size(), head_);
  head_ += "\r\n";
  EndHead(body_.size() + binary_size);
  AddPart(body_.data(), body_.size());
  for (const Binary& binary : binaries_) {
    AddPart(binary.bytes != nullptr ? static_cast<const void*>(binary.bytes)
                                    : classes_.data() + binary.offset,
            binary.size);
  }
  return Status();
}

bool HttpReply::Advance(std::size_t sent) {
  while (first_part_ < parts_.size() && sent >= parts_[first_part_].iov_len) {
    sent -= parts_[first_part_++].iov_len;
  }
  if (first_part_ == parts_.size()) return true;
  iovec& part = parts_[first_part_];
  part.iov_base = static_cast<char*>(part.iov_base) + sent;
  part.iov_len -= sent;
  return false;
}

void HttpReply::Clear(std::size_t kept_max) {
  parts_.clear();
  first_part_ = 0;
  for (std::string* text : {&head_, &body_, &classes_}) {
    text->clear();
    if (text->capacity() > kept_max) text->shrink_to_fit();
  }
}

}  // namespace cotenant
