#pragma once

/// What tests of the live node share: a node over emulated models, and one lane that turns as an
/// I/O thread's would.

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "server/test_node.h"

namespace cotenant {

/// Waits until `condition`, giving way to other threads. A test that waits for ever is ended by its
/// runner.
template <typename Condition>
void Await(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

class LiveNodeTest : public testing::Test {
 protected:
  LiveNodeTest() { options_.scheduler.slots = 2; }
  void TearDown() override {
    lane_.reset();
    node_.reset();
  }
  void Start() {
    node_ = std::make_unique<Node>(options_, source_, backend_, telemetry_);
    ASSERT_TRUE(node_->Start().ok());
    Await([this] { return node_->Ready(); });
    lane_ = std::make_unique<Lane>(*node_);
  }
  /// Turns until there is nothing more to do.
  void Turn() {
    while (lane_->FinishTurn()) {
    }
  }
  /// Returns when the call is complete, if it was taken.
  Status Ask(TestCall& call) {
    const Status status = node_->Submit(*lane_, call);
    if (status.ok()) {
      Turn();
      call.AwaitComplete();
    }
    return status;
  }
  void Finish(TestCall& call) {
    node_->Written(*lane_, call, true);
    Turn();
  }
  /// What a load or unload that `start` begins ends with.
  Status Control(auto start) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Status> result;
    start([&](Status status) {
      std::lock_guard lock(mutex);
      result = std::move(status);
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return result.has_value(); });
    return *result;
  }

  NodeOptions options_;
  MemorySource source_;
  RunGate gate_;
  ProfiledBackend backend_{&gate_};
  Telemetry telemetry_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<Lane> lane_;
};

}  // namespace cotenant
