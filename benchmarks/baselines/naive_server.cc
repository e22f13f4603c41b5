// FROZEN: a yardstick. The figures of docs/performance.md are ratios to this program; never change
// it.
//
// The naive server: Beast, DOM JSON, one thread, one io_context, the network inline.
//
//   naive_server MODEL.onnx PORT [SHAPE]    prints "ready" once it listens

#include <cstdio>
#include <string>

#include "baselines/beast_session.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  yardstick::Network network(argv[1], yardstick::ParseShape(argc > 3 ? argv[3] : "1,64"));
  yardstick::asio::io_context io(1);
  const yardstick::Acceptor acceptor(io, network, static_cast<unsigned short>(std::stoi(argv[2])),
                                     false);
  std::puts("ready");
  std::fflush(stdout);
  io.run();
}
