/// Event logs: whatever the bytes, they are read or refused with an offset, and a state in them
/// becomes a sound brain or is refused. What was read is written back with the same bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "scheduler/event_codec.h"
#include "scheduler/event_log.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

void CheckState(std::string_view state) {
  const Result<std::unique_ptr<Scheduler>> restored = Scheduler::Restore(state);
  if (!restored.ok()) {
    COTENANT_CHECK(restored.status().message().starts_with("offset "));
    return;
  }
  // A brain that was taken saves to a state that is taken, and from then on to the same bytes.
  std::string saved;
  (*restored)->Save(saved);
  const Result<std::unique_ptr<Scheduler>> again = Scheduler::Restore(saved);
  COTENANT_CHECK(again.ok());
  std::string twice;
  (*again)->Save(twice);
  COTENANT_CHECK(twice == saved);
}

}  // namespace
}  // namespace cotenant

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using cotenant::LogRecord;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  cotenant::CheckState(bytes);
  auto reader = cotenant::EventLogReader::Open(bytes);
  if (!reader.ok()) return 0;
  LogRecord record;
  for (;;) {
    const auto more = reader->Next(record);
    if (!more.ok()) {
      COTENANT_CHECK(more.status().message().starts_with("offset "));
      break;
    }
    if (!*more) break;
    if (record.kind == LogRecord::Kind::kSnapshot) {
      cotenant::CheckState(record.state);
    } else if (record.kind == LogRecord::Kind::kCrank) {
      std::string written;
      cotenant::EncodeActions(record.now, record.actions, written);
      COTENANT_CHECK(written == record.action_bytes);
    }
  }
  return 0;
}
