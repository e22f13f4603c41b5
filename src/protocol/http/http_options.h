#pragma once

/// The limits of the HTTP side. Over each there is a defined answer, and it is counted.

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

struct HttpOptions {
  /// Open connections over all threads. Over it: 503 and close. Raise it with the file limit.
  std::size_t connections_max = 12'000;
  /// Request line and fields. Over it: 431 and close. Raise it when proxies add long fields.
  Bytes head_max = Bytes::KiB(16);
  /// One body, before and after decompression. Over it: 413 and close. Raise it for larger tensors.
  Bytes body_max = Bytes::MiB(64);
  /// The JSON part of a body. Parsing takes several times its size, which counts as bytes under
  /// way. Over it: 413. Large tensors travel in binary, so raising it is rarely the answer.
  Bytes json_max = Bytes::MiB(32);
  /// Bodies and replies under way, over all connections. Over it: 503. Raise it with the memory.
  /// Requests that are not whole yet may hold half of it; those that stall then give way (503).
  Bytes inflight_bytes_max = Bytes::MiB(512);
  /// Nesting of a JSON body. Over it: 400. No request of the protocol needs more than a dozen.
  std::size_t json_depth_max = 64;
  /// Inputs, and outputs asked for, of one request. Over it: 400.
  std::size_t tensors_max = 64;
  /// Elements of one tensor given as JSON. Over it: 413. Binary tensors are bounded by `body_max`.
  std::size_t elements_max = std::size_t{1} << 24;
  /// Requests of one connection answered in one turn before others are served.
  std::size_t pipelined_turn_max = 16;

  /// From a request's first byte to the end of its head. Over it: 408 and close.
  Duration head_timeout = Duration::Seconds(10);
  /// From a request's first byte to the end of its body. Over it: 408 and close.
  Duration body_timeout = Duration::Seconds(60);
  /// A connection without a request. Over it: it is closed. Zero: none. Raise it for clients that
  /// ask seldom and must not connect anew.
  Duration idle_timeout = Duration::Seconds(600);
  /// From the first byte of a reply to its last. Over it: the connection is closed.
  Duration write_timeout = Duration::Seconds(60);

  /// Headers whose name contains a match (RE2) become request parameters, as Triton's
  /// --http-header-forward-pattern. Empty: none.
  std::string header_forward_pattern;
};

}  // namespace cotenant
