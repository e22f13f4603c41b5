#include "server/parking_lot.h"

#include <gtest/gtest.h>

#include <set>

namespace cotenant {
namespace {

/// Notes what is done to it.
class Network final : public Executor {
 public:
  Network(Bytes anonymous, Bytes mapped, bool parks, std::set<const void*>& alive)
      : facts_{anonymous, mapped}, parks_(parks), alive_(alive) {
    alive_.insert(this);
  }
  ~Network() override { alive_.erase(this); }
  const ModelSignature& signature() const override { return signature_; }
  LoadFacts facts() const override { return facts_; }
  std::unique_ptr<Run> NewRun() override { return nullptr; }
  bool Park() override { return parked = parks_; }
  bool Unpark() override { return !(parked = false); }

  bool parked = false;

 private:
  ModelSignature signature_;
  LoadFacts facts_;
  bool parks_;
  std::set<const void*>& alive_;
};

class ParkingLotTest : public testing::Test {
 protected:
  std::unique_ptr<Executor> Make(int anonymous, int mapped = 20, bool parks = true) {
    return std::make_unique<Network>(Bytes::MiB(anonymous), Bytes::MiB(mapped), parks, alive_);
  }
  std::vector<ModelId> Park(std::uint32_t model, int anonymous) {
    EXPECT_EQ(lot_.Park(ModelId{model}, Make(anonymous)), nullptr);
    return lot_.MakeRoom();
  }

  std::set<const void*> alive_;
  ParkingLot lot_;
};

TEST_F(ParkingLotTest, TheFirstOnesGoForLaterOnes) {
  lot_.SetMost(Bytes::MiB(5));
  EXPECT_TRUE(Park(0, 2).empty());
  EXPECT_TRUE(Park(1, 2).empty());
  EXPECT_EQ(Park(2, 3), std::vector<ModelId>{ModelId{0}});
  EXPECT_EQ(lot_.held(), Bytes::MiB(5));
  EXPECT_EQ(alive_.size(), 2U);
  EXPECT_EQ(lot_.Take(ModelId{0}), nullptr);
}

TEST_F(ParkingLotTest, OneThatComesBackIsWhatWasParked) {
  lot_.SetMost(Bytes::MiB(5));
  Park(0, 2);
  EXPECT_TRUE(static_cast<const Network*>(*alive_.begin())->parked);
  const std::unique_ptr<Executor> back = lot_.Take(ModelId{0});
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(alive_.count(back.get()), 1U);
  EXPECT_EQ(lot_.held(), Bytes());
  EXPECT_EQ(lot_.Take(ModelId{0}), nullptr);
}

TEST_F(ParkingLotTest, WhatCannotBeParkedIsGivenBack) {
  lot_.SetMost(Bytes::MiB(5));
  EXPECT_NE(lot_.Park(ModelId{0}, Make(6)), nullptr);             // Larger than the lot.
  EXPECT_NE(lot_.Park(ModelId{0}, Make(1, 0)), nullptr);          // Nothing is mapped.
  EXPECT_NE(lot_.Park(ModelId{0}, Make(1, 20, false)), nullptr);  // Its pages were written.
  EXPECT_EQ(lot_.held(), Bytes());
  EXPECT_TRUE(alive_.empty());
}

TEST_F(ParkingLotTest, AllLeaveASmallerLot) {
  lot_.SetMost(Bytes::MiB(5));
  Park(0, 2);
  Park(1, 2);
  lot_.Take(ModelId{7}).reset();
  EXPECT_EQ(alive_.size(), 2U);
  lot_.Take(ModelId{1}).reset();
  EXPECT_EQ(alive_.size(), 1U);
  lot_.SetMost(Bytes());
  EXPECT_EQ(lot_.MakeRoom(), std::vector<ModelId>{ModelId{0}});
  EXPECT_TRUE(alive_.empty());
}

}  // namespace
}  // namespace cotenant
