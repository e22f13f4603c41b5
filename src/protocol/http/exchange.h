#pragma once

/// One request and its answer while a connection works on it: buffers, the call, the reply.
///
/// Borrowed from its thread's pool when a connection becomes readable and given back when it is
/// idle again, so that idle connections hold no memory of this. Used by one thread; only `Complete`
/// may be called elsewhere.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "protocol/http/body_reader.h"
#include "protocol/http/buffer.h"
#include "protocol/http/head_parser.h"
#include "protocol/http/reply_writer.h"
#include "server/infer_call.h"

namespace cotenant {

class Connection;
class HttpThread;

class Exchange final : public InferCall {
 public:
  Exchange(HttpThread& thread, std::size_t head_max);

  /// The node is done: goes on with the connection, on the connection's thread.
  void Complete() override;
  /// For the connection's next request. Bytes that were already read of it move to the front.
  void NextRequest();

  HttpThread& thread;
  Connection* connection = nullptr;

  /// Head, then as much of the body as fits; behind the request, bytes of the next one.
  Buffer in;
  std::size_t searched = 0;  ///< Of `in`, for the end of the head.
  std::size_t head_size = 0;
  std::size_t consumed = 0;  ///< Of `in`, by this request.
  HttpHead head;
  /// A body that does not fit into `in`, that came in chunks, or that was decompressed.
  Buffer large;
  bool uses_large = false;
  std::size_t large_begin = 0;  ///< Where the body begins, so that its tensors are aligned.
  ChunkDecoder chunks;
  std::span<const std::byte> body;
  Buffer arena;      ///< Tensors that came as JSON.
  std::string name;  ///< A model's name that had to be decoded.
  HttpReply reply;
  ReplyStyle style;
  bool with_facts = false;
  std::size_t accounted = 0;  ///< Of the bytes under way.

  /// Memory for the one handler that brings `Complete` to the connection's thread.
  alignas(std::max_align_t) std::array<std::byte, 192> handler_memory;
};

}  // namespace cotenant
