/// A model's configuration, as text protobuf and as the JSON of a load request: whatever the bytes,
/// it is read or refused, and what is read can be rendered and read again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "config/completion.h"
#include "config/config_text.h"
#include "config/model_conversion.h"
#include "config/rendering.h"

namespace {

using namespace cotenant;

void Convert(Result<ConfigText> text) {
  if (!text.ok()) {
    COTENANT_CHECK(!text.status().message().empty());
    return;
  }
  const auto config = ToModelConfig(*text, {"m", "/nonexistent", "m/config.pbtxt"});
  if (!config.ok()) return;
  const ModelSignature signature = {{{"x", DataType::kFp32, {-1, 4}}},
                                    {{"y", DataType::kFp32, {-1, 2}}}};
  const auto complete = CompleteConfig(*config, signature, {});
  if (!complete.ok()) return;
  const RenderedConfig rendered = RenderConfig(*complete);
  const auto again = ReadConfigJson(rendered.json, "rendered");
  COTENANT_CHECK(again.ok());
  inference::ModelConfig proto;
  COTENANT_CHECK(proto.ParseFromString(rendered.protobuf));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Convert(ReadConfigText(text, "m/config.pbtxt"));
  if (text.starts_with('{')) Convert(ReadConfigJson(text, "request"));
  return 0;
}
