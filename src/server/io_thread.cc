#include "server/io_thread.h"

#include <boost/asio/executor_work_guard.hpp>
#include <string>

#include "server/worker_pool.h"

namespace cotenant {
namespace {

/// Handlers of one turn. A flood of requests that are refused at once must not keep the turn from
/// ending.
constexpr int kTurnHandlersMax = 1'000;

}  // namespace

IoThread::IoThread(Node& node, std::size_t number)
    : work_(boost::asio::make_work_guard(context_)), lane_(node), number_(number) {}

IoThread::~IoThread() { Stop(); }

void IoThread::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void IoThread::Stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void IoThread::Loop() {
  PrepareThread(("io-" + std::to_string(number_)).c_str(), 0);
  bool more = false;
  while (!context_.stopped()) {
    if (!more && context_.run_one() == 0) break;
    for (int handlers = 0; handlers < kTurnHandlersMax && context_.poll_one() > 0; ++handlers) {
    }
    more = lane_.FinishTurn();
  }
}

}  // namespace cotenant
