#pragma once

/// A thread with an Asio context that works in turns (design: one I/O context per core).
///
/// The loop: wait for the first ready handler, run every other handler that is ready, then
/// `Lane::FinishTurn`. Handlers parse and submit; they run no network and write no log on the
/// steady path. Protocols create their connections on a context and touch them only from its
/// thread.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <string>
#include <thread>

#include "server/lane.h"

namespace cotenant {

class Node;

class IoThread {
 public:
  IoThread(Node& node, std::size_t number);
  /// Stops and joins.
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// Post from other threads with `boost::asio::post(context(), …)`.
  boost::asio::io_context& context() { return context_; }
  /// For handlers that run on this thread.
  Lane& lane() { return lane_; }
  bool IsCurrent() const { return std::this_thread::get_id() == thread_.get_id(); }

  void Start();
  void Stop();

 private:
  void Loop();

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  Lane lane_;
  std::size_t number_;
  std::thread thread_;
};

}  // namespace cotenant
