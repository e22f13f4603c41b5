#pragma once

/// The body of an inference request, as JSON or as JSON with binary tensors behind it.
///
/// One reader per thread, used again and again: it keeps its parser's memory while that is small.
/// The views that it puts into a call (names, tensors) stay valid until its document is
/// released or the next `Read`, the body and the call's arena included; `Node::Submit` wants no
/// more. Tensors given as JSON are converted into the arena.

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "protocol/http/buffer.h"
#include "protocol/http/http_options.h"
#include "protocol/http/json_document.h"
#include "protocol/parameters.h"
#include "server/infer_call.h"

namespace cotenant {

/// `InferCall::default_tag` and `WantedOutput::tag` of an output that goes out as binary.
inline constexpr std::uint32_t kBinaryTag = 1;

class RequestReader {
 public:
  explicit RequestReader(const HttpOptions& options, std::atomic<std::size_t>* under_way = nullptr);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// Reads JSON of `json_length` bytes (all of the body when there is none) and the tensors behind
  /// it. 64 bytes behind the body must be readable. InvalidArgument names the field and what was
  /// expected, and for text that is not JSON the offset.
  Status Read(std::span<const std::byte> body, std::optional<std::uint64_t> json_length,
              ParameterReader& parameters, Buffer& arena, InferCall& call);

  /// For the other bodies in JSON that this thread reads.
  JsonDocument& document();

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
