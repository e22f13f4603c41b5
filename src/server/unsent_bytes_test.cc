#include "server/unsent_bytes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "server/clock.h"

namespace cotenant {
namespace {

/// A connection of this machine with itself: ours, and the peer's.
class Connected : public testing::Test {
 protected:
  Connected() {
    const int listening = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const place = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listening, place, size), 0);
    EXPECT_EQ(listen(listening, 1), 0);
    getsockname(listening, place, &size);
    peer_ = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(peer_, place, size), 0);
    ours_ = accept(listening, nullptr, nullptr);
    close(listening);
  }
  ~Connected() override {
    close(ours_);
    close(peer_);
  }
  /// More than the peer's side takes while nobody reads there.
  std::size_t Fill() {
    std::array<char, 65536> bytes{};
    std::size_t total = 0;
    for (ssize_t count = 0;; total += static_cast<std::size_t>(count)) {
      count = send(ours_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0) return total;
    }
  }
  int Unsent() const {
    int bytes = 0;
    EXPECT_EQ(ioctl(ours_, SIOCOUTQ, &bytes), 0);
    return bytes;
  }

  int ours_ = -1;
  int peer_ = -1;
};

constexpr Duration kLong = Duration::Seconds(60);

TEST_F(Connected, WithNothingUnsentItReturnsAtOnce) {
  const Instant before = MonotonicNow();
  AwaitUnsentBytes(kLong);
  EXPECT_LT(MonotonicNow() - before, kLong / 2);
}

TEST_F(Connected, PeerThatReadsHasAllWhenItReturns) {
  std::size_t left = Fill();
  ASSERT_GT(Unsent(), 0);
  std::thread reader([&] {
    std::array<char, 65536> bytes;
    while (left > 0) {
      const ssize_t count = recv(peer_, bytes.data(), bytes.size(), 0);
      if (count <= 0) return;
      left -= static_cast<std::size_t>(count);
    }
  });
  const Instant before = MonotonicNow();
  AwaitUnsentBytes(kLong);
  EXPECT_EQ(Unsent(), 0);
  EXPECT_LT(MonotonicNow() - before, kLong / 2);
  reader.join();
}

TEST_F(Connected, PeerThatNeverReadsIsWaitedForAsLongAsAllowed) {
  Fill();
  constexpr Duration kShort = Duration::Milliseconds(20);
  const Instant before = MonotonicNow();
  AwaitUnsentBytes(kShort);
  EXPECT_GE(MonotonicNow() - before, kShort);
  EXPECT_GT(Unsent(), 0);
}

}  // namespace
}  // namespace cotenant
