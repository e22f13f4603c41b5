// FROZEN: a yardstick. The figures of docs/performance.md are ratios to this program; never change
// it.
//
// The best prototype: two threads, an io_context each, SO_REUSEPORT, every network inline where its
// request arrived.
//
//   prototype_server MODEL.onnx PORT [SHAPE]    prints "ready" once it listens

#include <cstdio>
#include <string>
#include <thread>

#include "baselines/beast_session.h"

namespace {

/// One of the two threads: nothing is shared with the other.
struct Half {
  Half(const char* model, unsigned short port, const char* shape)
      : network(model, yardstick::ParseShape(shape)), io(1), acceptor(io, network, port, true) {}
  yardstick::Network network;
  yardstick::asio::io_context io;
  yardstick::Acceptor acceptor;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto port = static_cast<unsigned short>(std::stoi(argv[2]));
  const char* shape = argc > 3 ? argv[3] : "1,64";
  Half first(argv[1], port, shape);
  Half second(argv[1], port, shape);
  std::puts("ready");
  std::fflush(stdout);
  std::thread thread([&] { second.io.run(); });
  first.io.run();
  thread.join();
}
