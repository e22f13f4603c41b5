#include "scheduler/event_log.h"

#include "scheduler/event_codec.h"
#include "scheduler/field_archive.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

constexpr std::string_view kMagic = "cotenant event log\n";

}  // namespace

template <>
inline constexpr LogRecord::Kind kLastOf<LogRecord::Kind> = LogRecord::Kind::kModelName;

void EventLogWriter::AppendHead(std::string& out) {
  out.append(kMagic);
  FieldWriter writer(out);
  writer(kEventLogVersion);
}

void EventLogWriter::AppendRecord(std::string_view record, std::string& out) {
  FieldWriter writer(out);
  writer.Varint(record.size());
  writer.Flush();
  out.append(record);
}

void EventLogWriter::AppendSnapshot(const Scheduler& scheduler, std::uint64_t lost,
                                    std::string& out) {
  record_.clear();
  FieldWriter writer(record_);
  writer(LogRecord::Kind::kSnapshot, lost, previous_);  // From zero: the state stands alone.
  writer.Flush();
  scheduler.Save(record_);
  AppendRecord(record_, out);
}

void EventLogWriter::AppendModelName(ModelId model, std::string_view name, std::string& out) {
  record_.clear();
  FieldWriter writer(record_);
  writer(LogRecord::Kind::kModelName, model, std::string(name));
  writer.Flush();
  AppendRecord(record_, out);
}

void EventLogWriter::AppendCrank(Instant now, std::span<const Event> events,
                                 const ActionList& actions, std::string& out) {
  record_.clear();
  FieldWriter writer(record_, previous_);
  writer(LogRecord::Kind::kCrank, now);
  previous_ = now;
  writer.SetOrigin(now);
  EncodeEvents(events, writer);
  EncodeActions(actions, writer);
  // Most cranks are small enough to lie in the writer still, and are copied once.
  if (record_.empty()) return AppendRecord(writer.TakeHeld(), out);
  writer.Flush();
  AppendRecord(record_, out);
}

Result<EventLogReader> EventLogReader::Open(std::string_view log) {
  if (!log.starts_with(kMagic)) return InvalidArgument("offset 0: this is not an event log");
  FieldReader head(log.substr(kMagic.size()), kMagic.size());
  std::uint32_t version = 0;
  head(version);
  if (!head.ok()) return head.status();
  if (version != kEventLogVersion) {
    return InvalidArgument("the event log has format version " + std::to_string(version) +
                           "; this program reads version " + std::to_string(kEventLogVersion));
  }
  return EventLogReader(log, kMagic.size() + head.at());
}

std::optional<std::string_view> EventLogReader::TakeRecord() {
  FieldReader length(log_.substr(at_), at_);
  const std::size_t size = length.Count();
  // Also a length that is itself cut, or that reaches beyond the end.
  if (!length.ok() || size > length.left()) return std::nullopt;
  at_ += length.at();
  const std::string_view bytes = log_.substr(at_, size);
  at_ += size;
  return bytes;
}

Result<bool> EventLogReader::Next(LogRecord& record) {
  record.offset = at_;
  const std::optional<std::string_view> bytes = TakeRecord();
  if (!bytes) return false;
  FieldReader reader(*bytes, at_ - bytes->size(), previous_);
  reader(record.kind);
  if (!reader.ok()) return reader.status();
  if (record.kind == LogRecord::Kind::kSnapshot) {
    reader.SetOrigin({});
    reader(record.lost, previous_);
    if (!reader.ok()) return reader.status();
    record.state = bytes->substr(reader.at());
    return true;
  }
  if (record.kind == LogRecord::Kind::kModelName) {
    reader(record.model, record.model_name);
    if (reader.ok() && reader.left() > 0) reader.Fail("a model's name has bytes left over");
    if (!reader.ok()) return reader.status();
    return true;
  }
  reader(record.now);
  previous_ = record.now;
  reader.SetOrigin(record.now);
  DecodeEvents(reader, record.events);
  const std::size_t actions_at = reader.at();
  DecodeActions(reader, record.actions);
  if (reader.ok() && reader.left() > 0) reader.Fail("a crank has bytes left over");
  if (!reader.ok()) return reader.status();
  record.action_bytes = reader.Since(actions_at);
  return true;
}

}  // namespace cotenant
