/// JSON with binary tensors behind it, and raw requests. The first two bytes are the JSON's length.

#include <cstddef>
#include <cstdint>
#include <span>

#include "infer_reading.h"
#include "protocol/http/raw_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint64_t length = data[0] + 256U * data[1];
  const auto rest = std::span(data, size).subspan(2);
  cotenant::ReadInfer(rest, length);
  using cotenant::DataType;
  for (const DataType type : {DataType::kBytes, DataType::kInt16, DataType::kFp64}) {
    for (const cotenant::Shape& dims :
         {cotenant::Shape{-1}, cotenant::Shape{2, -1}, cotenant::Shape{0, -1}, cotenant::Shape{3},
          cotenant::Shape{1}}) {
      cotenant::ModelConfig config;
      config.max_batch_size = data[0] % 2;
      config.inputs.push_back({"x", type, dims, false, {}, ""});
      cotenant::FuzzedCall call;
      cotenant::Buffer arena;
      const auto status = cotenant::ReadRaw(std::as_bytes(rest), config, arena, call);
      if (status.ok()) COTENANT_CHECK(call.inputs.size() == 1);
    }
  }
  return 0;
}
