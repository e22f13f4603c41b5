#include "scheduler/event_codec.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/random.h"
#include "scheduler/event_log.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

constexpr Instant kNow = Instant::FromNanoseconds(123'456'789'012);

/// Values of every size: half of them small, some at the ends of their type.
class RandomFields {
 public:
  explicit RandomFields(std::uint64_t seed) : random_(seed) {}

  std::uint64_t Number() { return random_.Next() >> random_.Below(64); }
  std::uint32_t Small() { return static_cast<std::uint32_t>(Number()); }
  std::int32_t Signed() { return static_cast<std::int32_t>(Small()); }
  bool Coin() { return random_.Below(2) == 0; }
  Duration Span() {
    return Duration::Nanoseconds(static_cast<std::int64_t>(Number()) * (Coin() ? 1 : -1));
  }
  Bytes Size() { return Bytes(Span().nanoseconds()); }
  Instant Time() {
    if (random_.Below(8) == 0) return Instant::Max();
    return kNow - Duration::Nanoseconds(random_.Between(-5'000'000'000, 5'000'000'000));
  }
  template <typename Enum>
  Enum Of(Enum last) {
    return static_cast<Enum>(random_.Below(static_cast<std::uint64_t>(last) + 1));
  }
  RequestId Request() { return RequestId{Number()}; }
  ModelId Model() { return ModelId{Small()}; }
  RunId Run() { return RunId{Number()}; }
  std::string Text() { return std::string(random_.Below(20), static_cast<char>(Small())); }

  QueuePolicy Policy() { return {Of(TimeoutAction::kDelay), Span(), Coin(), Small()}; }
  ModelSettings Settings() {
    ModelSettings settings{Signed(), Signed(), Coin(), {}};
    settings.idle_unload = Span();
    DynamicBatching& window = settings.window;
    for (std::uint64_t i = random_.Below(4); i > 0; --i) window.preferred_sizes.push_back(Signed());
    window.queue_delay_max = Span();
    window.preserve_ordering = Coin();
    window.priority_levels = Small();
    window.default_priority_level = Small();
    window.default_policy = Policy();
    for (std::uint64_t i = random_.Below(4); i > 0; --i) {
      window.priority_policies[Small()] = Policy();
    }
    return settings;
  }
  NodeSettings Node() {
    NodeSettings node;
    node.tenants.clear();
    for (std::uint64_t i = random_.Below(4); i > 0; --i) {
      node.tenants.push_back({Text(), Span().nanoseconds(), Span(), Small(), 0, Size()});
    }
    node.policies = {Text(), Text(), Text(), Text(), Text()};
    return node;
  }

  std::shared_ptr<const ArrivalHistory> History() {
    auto history = std::make_shared<ArrivalHistory>();
    history->requests = Number();
    history->first = Time();
    history->last = Time();
    history->mean_interval = Span();
    for (std::uint32_t& bin : history->intervals) bin = Small();
    history->unforeseen_after[3] = Small();
    return history;
  }

  Event AnyEvent() {
    switch (random_.Below(std::variant_size_v<Event>)) {
      case 0:
        return Arrived{Time(),
                       Request(),
                       TenantId{Small()},
                       Model(),
                       Signed(),
                       Number(),
                       Small(),
                       {Span(), Span()},
                       std::nullopt,
                       ClientIdHash(Coin() ? "" : "frame-17")};
      case 1: return Gone{Time(), Request()};
      case 2: return RunFinished{Time(), Run(), Span(), Size()};
      case 3: return RunFailed{Time(), Run(), Span(), Of(Code::kInternal), Coin()};
      case 4: return ReplyWritten{Time(), Request()};
      case 5: return LoadWanted{Time(), Model(), Size(), Size(), Coin(), Size()};
      case 6: return LoadFinished{Time(), Model(), Settings(), Span(), Size(), Size(), Size()};
      case 7: return LoadFailed{Time(), Model(), Of(Code::kInternal)};
      case 8: return WarmedUp{Time(), Model(), Signed(), Span()};
      case 9: return UnloadWanted{Time(), Model()};
      case 10: return Unloaded{Time(), Model(), Size()};
      case 11: return Woken{Time()};
      case 12: return SettingsChanged{Time(), Node()};
      case 13: return Evicted{Time(), Model(), Size()};
      case 14: return MemoryChanged{Time(), Size()};
      case 15: return HistoryKnown{Time(), Model(), History()};
      default: return DrainWanted{Time()};
    }
  }
  void AddAction(ActionList& list) {
    switch (random_.Below(std::variant_size_v<Action>)) {
      case 0: {
        StartRun run;
        run.run = Run();
        run.model = Model();
        run.first_member = static_cast<std::uint32_t>(list.members.size());
        run.member_count = static_cast<std::uint32_t>(random_.Below(6));
        run.rows = Signed();
        run.where = Of(Where::kWorker);
        run.slot = Signed();
        run.cores = Signed();
        for (std::uint32_t i = 0; i < run.member_count; ++i) list.members.push_back(Request());
        list.actions.push_back(run);
        break;
      }
      case 1: list.actions.push_back(StopRun{Run()}); break;
      case 2: list.actions.push_back(Reply{Request(), Of(End::kFailed), Coin()}); break;
      case 3:
        list.actions.push_back(Reject{Request(), Of(End::kFailed), Of(Code::kInternal),
                                      Of(RejectReason::kLoadFailed), Span(), Span(), Span()});
        break;
      case 4: list.actions.push_back(StartLoad{Model()}); break;
      case 5: list.actions.push_back(StartUnload{Model()}); break;
      case 6: list.actions.push_back(WakeAt{Time()}); break;
      case 7: list.actions.push_back(StartEvict{Model()}); break;
      case 8: list.actions.push_back(StopLoad{Model()}); break;
      default: list.actions.push_back(Drained{}); break;
    }
  }
  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }

 private:
  Random random_;
};

std::string Encoded(std::span<const Event> events, const ActionList& actions) {
  std::string bytes;
  EncodeEvents(kNow, events, bytes);
  EncodeActions(kNow, actions, bytes);
  return bytes;
}

TEST(EventCodec, RandomEventsAndActionsComeBackWithAllTheirFields) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    RandomFields random(seed);
    std::vector<Event> events;
    ActionList actions;
    for (std::uint64_t i = random.Below(20); i > 0; --i) events.push_back(random.AnyEvent());
    for (std::uint64_t i = random.Below(20); i > 0; --i) random.AddAction(actions);
    const std::string bytes = Encoded(events, actions);
    FieldReader reader(bytes, 0, kNow);
    std::vector<Event> read_events;
    ActionList read_actions;
    DecodeEvents(reader, read_events);
    DecodeActions(reader, read_actions);
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    EXPECT_EQ(reader.left(), 0U);
    ASSERT_EQ(read_events.size(), events.size());
    EXPECT_EQ(read_actions.members, actions.members);
    // Equal bytes again: nothing was lost on the way.
    EXPECT_EQ(Encoded(read_events, read_actions), bytes) << "seed " << seed;
  }
}

TEST(EventCodec, ArrivalComesBackFieldByField) {
  const Arrived arrived{kNow - Duration::Microseconds(3),
                        RequestId{(7ULL << 32) | 9},
                        TenantId{2},
                        ModelId{5},
                        4,
                        0xfedcba9876543210ULL,
                        3,
                        {Duration::Milliseconds(20), Duration::Microseconds(1)}};
  const std::vector<Event> events = {arrived};
  std::string bytes;
  EncodeEvents(kNow, events, bytes);
  std::vector<Event> read;
  FieldReader reader(bytes, 0, kNow);
  DecodeEvents(reader, read);
  ASSERT_TRUE(reader.ok());
  ASSERT_EQ(read.size(), 1U);
  const auto& back = std::get<Arrived>(read[0]);
  EXPECT_EQ(back.at, arrived.at);
  EXPECT_EQ(back.request, arrived.request);
  EXPECT_EQ(back.tenant, arrived.tenant);
  EXPECT_EQ(back.model, arrived.model);
  EXPECT_EQ(back.rows, arrived.rows);
  EXPECT_EQ(back.batch_key, arrived.batch_key);
  EXPECT_EQ(back.priority, arrived.priority);
  EXPECT_EQ(back.bounds.latency, arrived.bounds.latency);
  EXPECT_EQ(back.bounds.queue_timeout, arrived.bounds.queue_timeout);
}

TEST(EventCodec, CutOrChangedBytesAreRefusedOrReadButNeverCrash) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    RandomFields random(seed);
    std::vector<Event> events;
    ActionList actions;
    for (int i = 0; i < 8; ++i) events.push_back(random.AnyEvent());
    for (int i = 0; i < 8; ++i) random.AddAction(actions);
    const std::string bytes = Encoded(events, actions);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      FieldReader reader(std::string_view(bytes).substr(0, size), 1'000'000, kNow);
      DecodeEvents(reader, events);
      DecodeActions(reader, actions);
      ASSERT_FALSE(reader.ok());
      EXPECT_TRUE(reader.status().message().starts_with("offset 1"));
    }
    for (int change = 0; change < 200; ++change) {
      std::string changed = bytes;
      changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
      FieldReader reader(changed, 0, kNow);
      DecodeEvents(reader, events);
      DecodeActions(reader, actions);
    }
  }
}

TEST(EventCodec, CountsBeyondTheBytesAreRefusedBeforeMemoryIsTaken) {
  const std::string bytes = "\xff\xff\xff\xff\x7f";
  FieldReader reader(bytes, 0, kNow);
  std::vector<Event> events;
  DecodeEvents(reader, events);
  EXPECT_EQ(reader.status().message(), "offset 5: a list has more elements than bytes are left");
  EXPECT_EQ(events.capacity(), 0U);
}

class EventLogTest : public testing::Test {
 protected:
  EventLogTest() {
    EventLogWriter::AppendHead(log_);
    writer_.AppendSnapshot(Scheduler({}), 0, log_);
    events_ = {Woken{kNow}};
    writer_.AppendCrank(kNow, events_, {}, log_);
    whole_ = log_.size();
    writer_.AppendCrank(kNow + Duration::Nanoseconds(1), events_, {}, log_);
  }
  static std::size_t Records(std::string_view log, std::size_t& torn) {
    Result<EventLogReader> reader = EventLogReader::Open(log);
    LogRecord record;
    std::size_t count = 0;
    while (reader->Next(record).value()) ++count;
    torn = reader->torn_bytes();
    return count;
  }

  std::string log_;
  EventLogWriter writer_;
  std::vector<Event> events_;
  std::size_t whole_ = 0;
};

TEST_F(EventLogTest, CranksComeBackWithTheirTimes) {
  Result<EventLogReader> reader = EventLogReader::Open(log_);
  ASSERT_TRUE(reader.ok());
  LogRecord record;
  ASSERT_TRUE(reader->Next(record).value());
  EXPECT_EQ(record.kind, LogRecord::Kind::kSnapshot);
  EXPECT_TRUE(Scheduler::Restore(record.state).ok());
  ASSERT_TRUE(reader->Next(record).value());
  EXPECT_EQ(record.now, kNow);
  ASSERT_EQ(record.events.size(), 1U);
  EXPECT_EQ(std::get<Woken>(record.events[0]).at, kNow);
  ASSERT_TRUE(reader->Next(record).value());
  EXPECT_EQ(record.now, kNow + Duration::Nanoseconds(1));
  EXPECT_FALSE(reader->Next(record).value());
  EXPECT_EQ(reader->torn_bytes(), 0U);
}

TEST_F(EventLogTest, NamesOfModelsComeBackBetweenCranks) {
  writer_.AppendModelName(ModelId{3}, "ocr", log_);
  writer_.AppendCrank(kNow + Duration::Nanoseconds(5), events_, {}, log_);
  Result<EventLogReader> reader = EventLogReader::Open(log_);
  LogRecord record;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(reader->Next(record).value());
  EXPECT_EQ(record.kind, LogRecord::Kind::kModelName);
  EXPECT_EQ(record.model, ModelId{3});
  EXPECT_EQ(record.model_name, "ocr");
  ASSERT_TRUE(reader->Next(record).value());
  EXPECT_EQ(record.now, kNow + Duration::Nanoseconds(5));
  EXPECT_FALSE(reader->Next(record).value());
}

TEST_F(EventLogTest, CutAnywhereItIsReadUpToTheLastWholeRecord) {
  std::size_t torn = 0;
  for (std::size_t size = whole_; size < log_.size(); ++size) {
    EXPECT_EQ(Records(std::string_view(log_).substr(0, size), torn), 2U);
    EXPECT_EQ(torn, size - whole_);
  }
  EXPECT_EQ(Records(log_, torn), 3U);
}

TEST_F(EventLogTest, OtherFilesAndOtherVersionsAreRefusedByName) {
  EXPECT_EQ(EventLogReader::Open("arrived,1,2").status().message(),
            "offset 0: this is not an event log");
  std::string other = log_;
  other[other.find('\n') + 1] = 99;
  EXPECT_EQ(EventLogReader::Open(other).status().message(),
            "the event log has format version 99; this program reads version 6");
}

}  // namespace
}  // namespace cotenant
