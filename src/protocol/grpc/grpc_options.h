#pragma once

/// What the gRPC side of a node can be told. Plain data; the defaults suit a small box.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

struct GrpcOptions {
  std::string address = "127.0.0.1";
  /// 0 takes any free port; `GrpcServer::port` says which.
  std::uint16_t port = 8001;
  /// Threads that read requests and run short networks, each with a completion queue. gRPC polls
  /// all sockets from one thread at a time, so with two of them requests are handed over to the
  /// other: measured at one client, 1.4 times the CPU time and three times the context switches.
  std::size_t threads = 1;

  /// Open connections. Over it: closed at once. Each takes some ten KiB. Raise it with the file
  /// limit, for clients that do not share connections.
  std::size_t connections_max = 1'000;
  /// From connecting to the client's first settings. Over it: closed.
  Duration handshake_timeout = Duration::Seconds(10);
  /// A connection without calls. Over it: closed, and the client connects anew with its next call.
  /// Zero: none.
  Duration idle_timeout = Duration::Seconds(600);

  /// Largest request message, the same as HTTP's body. Over it: RESOURCE_EXHAUSTED from gRPC
  /// itself. Raise it for networks with larger inputs.
  Bytes body_max = Bytes::MiB(64);
  /// Tensor bytes of all requests that are not answered yet. Over it: UNAVAILABLE. Raise it with
  /// the box's memory.
  Bytes in_flight_bytes_max = Bytes::MiB(512);
  /// What gRPC itself may buffer over all connections; it slows readers down near it. Raise it with
  /// `body_max`.
  Bytes buffered_bytes_max = Bytes::MiB(512);
  /// Calls of one connection at a time; further ones wait in the client. Raise it for clients that
  /// multiplex more.
  std::int32_t streams_per_connection_max = 1024;
  /// Requests of one ModelStreamInfer that are not answered yet; the next is read when one is.
  /// Raise it for streams that are to fill large batches alone.
  std::size_t stream_requests_max = 128;
  /// Longest list of inputs, or of outputs, in one request. Raise it when a real network has more.
  int tensors_max = 1024;

  // Keepalive, as gRPC's channel arguments of the same names. Unset: gRPC's own default.
  /// By default a client that is gone without a word is noticed within two minutes, not two hours.
  std::optional<Duration> keepalive_time = Duration::Seconds(60);
  std::optional<Duration> keepalive_timeout;
  std::optional<bool> keepalive_permit_without_calls;
  std::optional<std::int32_t> pings_without_data_max;
  std::optional<Duration> ping_interval_without_data_min;
  std::optional<std::int32_t> ping_strikes_max;
  std::optional<Duration> connection_age_max;
  std::optional<Duration> connection_age_grace;

  /// Metadata whose name matches this RE2 expression anywhere becomes request parameters. Empty:
  /// none.
  std::string header_forward_pattern;
};

}  // namespace cotenant
