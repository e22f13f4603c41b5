#include "simulation/checker.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace cotenant {
namespace {

/// Events and actions of one model, as a brain might answer them; no brain is asked.
class CheckerTest : public testing::Test {
 protected:
  void Crank(std::vector<Event> events, std::vector<Action> answers) {
    now_ = now_ + Duration::Microseconds(1);
    ActionList actions;
    actions.actions = std::move(answers);
    checker_.Crank(now_, events, actions);
  }
  void Load() {
    Crank({LoadWanted{now_, ModelId{0}}}, {StartLoad{ModelId{0}}});
    LoadFinished loaded;
    loaded.model = ModelId{0};
    Crank({loaded}, {});
  }
  std::string First() {
    checker_.Finish({});
    return checker_.violations().empty() ? "" : checker_.violations().front();
  }

  Checker checker_{SchedulerSettings{}};
  Instant now_;
};

TEST_F(CheckerTest, UnloadThatIsWantedAndBeginsIsSound) {
  Load();
  Crank({UnloadWanted{now_, ModelId{0}}}, {StartUnload{ModelId{0}}});
  EXPECT_EQ(First(), "");
}

TEST_F(CheckerTest, UnloadThatIsWantedAndNeverBeginsIsFound) {
  Load();
  Crank({UnloadWanted{now_, ModelId{0}}}, {});
  EXPECT_NE(First().find("the unload of model 0 was wanted and never began"), std::string::npos);
}

TEST_F(CheckerTest, UnloadWantedBeforeTheLoadBeganMustBeginToo) {
  Crank({LoadWanted{now_, ModelId{0}}}, {});
  Crank({UnloadWanted{now_, ModelId{0}}}, {});
  EXPECT_NE(First().find("the unload of model 0 was wanted and never began"), std::string::npos);
}

TEST_F(CheckerTest, UnloadWantedWhileTheLoadRunsMayComeLater) {
  Crank({LoadWanted{now_, ModelId{0}}}, {StartLoad{ModelId{0}}});
  Crank({UnloadWanted{now_, ModelId{0}}}, {});
  EXPECT_EQ(First(), "");
}

}  // namespace
}  // namespace cotenant
