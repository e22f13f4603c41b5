#pragma once

/// Reads one inference body as a connection would, and looks at every byte that the call points to.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/check.h"
#include "protocol/http/buffer.h"
#include "protocol/http/json_request.h"

namespace cotenant {

class FuzzedCall final : public InferCall {
 public:
  void Complete() override {}
};

inline void ReadInfer(std::span<const std::uint8_t> bytes,
                      std::optional<std::uint64_t> json_length) {
  static const HttpOptions options;
  static RequestReader reader(options);
  Buffer body;
  Buffer arena;
  COTENANT_CHECK(body.Append(bytes.data(), bytes.size()));
  body.Reserve(bytes.size() + 1);
  FuzzedCall call;
  ParameterReader parameters(call);
  const std::span<const std::byte> view(body.data(), body.size());
  const Status status = reader.Read(view, json_length, parameters, arena, call);
  if (!status.ok()) {
    COTENANT_CHECK(!status.message().empty());
    return;
  }
  unsigned sum = 0;
  for (const NamedInput& input : call.inputs) {
    for (std::byte byte : input.bytes) sum += static_cast<unsigned>(byte);
    for (char c : input.name) sum += static_cast<unsigned char>(c);
  }
  for (const WantedOutput& wanted : call.wanted) sum += static_cast<unsigned>(wanted.name.size());
  volatile unsigned seen = sum;
  static_cast<void>(seen);
}

}  // namespace cotenant
