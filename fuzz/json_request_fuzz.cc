/// Inference, load and index requests as JSON.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "infer_reading.h"
#include "protocol/http/control_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cotenant::ReadInfer(std::span(data, size), std::nullopt);
  static const cotenant::HttpOptions options;
  static cotenant::JsonDocument document(options);
  cotenant::Buffer body;
  if (!body.Append(data, size) || !body.Reserve(size + 1)) return 0;
  cotenant::LoadOverride override_;
  const std::span<const std::byte> view(body.data(), body.size());
  static_cast<void>(cotenant::ReadLoad(document, view, override_));
  static_cast<void>(cotenant::ReadIndex(document, view));
  return 0;
}
