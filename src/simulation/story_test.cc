#include "simulation/story.h"

#include <gtest/gtest.h>

#include "simulation/simulated_node.h"

namespace cotenant {
namespace {

Instant At(std::int64_t us) { return Instant() + Duration::Microseconds(us); }

/// One slot, runs of 1 ms; a reply takes 20 us.
SimulatedNode OneSlotNode() {
  SimulationSettings settings;
  settings.scheduler.slots = 1;
  settings.models = {{.load = Duration::Microseconds(1)}};
  settings.model_settings.resize(1);
  settings.with_reasons = true;
  return SimulatedNode(settings);
}

void Arrive(SimulatedNode& node, std::int64_t us, std::uint64_t request, Duration bound = {}) {
  Arrived event;
  event.at = At(us);
  event.request = RequestId{request};
  event.bounds.latency = bound;
  node.Plan(event.at, event);
}

std::vector<std::string> Tell(SimulatedNode& node, std::uint64_t request) {
  Story story(RequestId{request});
  node.Observe([&story](Instant now, std::span<const Event> events, const ActionList& actions) {
    story.Crank(now, events, actions);
  });
  node.Run();
  std::vector<std::string> lines;
  for (const StoryLine& line : story.lines())
    lines.push_back(SpanText(line.after) + " " + line.text);
  return lines;
}

TEST(Story, ARequestThatWaitsTellsBehindWhat) {
  SimulatedNode node = OneSlotNode();
  node.Plan(Instant(), LoadWanted{{}, ModelId{0}});
  Arrive(node, 100, 1);
  Arrive(node, 200, 2);
  Arrive(node, 300, 3);
  const std::vector<std::string> lines = Tell(node, 3);
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[0], "0 ms it arrives; under way: 1 run of model 0");
  EXPECT_EQ(lines[1].substr(0, 60), "0 ms request 3 of tenant 0 for model 0 (1 row) is taken in: ");
  EXPECT_EQ(lines[2], "1.8 ms while it waited, others began: 1 run of model 0");
  EXPECT_EQ(lines[3].substr(0, 40), "1.8 ms request 3 starts after 1.8 ms, as");
  EXPECT_EQ(lines[4], "2.8 ms its run ends after 1 ms");
  EXPECT_EQ(lines[5], "2.8 ms its reply is on its way");
  EXPECT_EQ(lines[6], "2.82 ms its answer is written");
}

TEST(Story, ARefusedRequestTellsTheNumbersAndItsBound) {
  SimulatedNode node = OneSlotNode();
  node.Plan(Instant(), LoadWanted{{}, ModelId{0}});
  Arrive(node, 100, 1);
  Arrive(node, 5'000, 2, Duration::Microseconds(500));
  const std::vector<std::string> lines = Tell(node, 2);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_NE(lines[1].find("is refused: feasible compares its bound of 0.5 ms"), std::string::npos);
}

TEST(Story, ARequestThatNeverCameIsNotFound) {
  SimulatedNode node = OneSlotNode();
  EXPECT_TRUE(Tell(node, 9).empty());
}

}  // namespace
}  // namespace cotenant
