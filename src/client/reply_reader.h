#pragma once

/// Reads HTTP/1.1 replies from a stream of bytes that comes in any pieces.
///
/// Knows lengths, chunks and bodies that end with the connection. Keeps at most `kept_max` bytes of
/// a body, and none of a good one beyond that, so that large outputs cost no copy. One reply at a
/// time: bytes after its end are an error, for nobody asked for them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cotenant {

class ReplyReader {
 public:
  enum class State : unsigned char {
    kMore,    ///< Not whole yet.
    kWhole,   ///< The reply is whole.
    kBroken,  ///< These bytes are no HTTP reply.
  };

  /// Before each reply.
  void Begin(std::size_t kept_max);
  State Read(std::string_view bytes);
  /// The connection has ended: a body without a length is then whole.
  State End();

  int status() const { return status_; }
  std::string_view body() const { return body_; }
  /// May the connection carry another request?
  bool keep_alive() const { return keep_alive_; }
  /// Has anything been read since Begin?
  bool begun() const { return begun_; }

 private:
  enum class Part : unsigned char {
    kHead,
    kCounted,
    kToEnd,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailer,
    kDone,
  };

  /// Longer heads are no reply that we know.
  static constexpr std::size_t kHeadMax = 64 * 1024;

  bool ReadHead(std::string_view& bytes);
  bool ParseHead(std::string_view head);
  void ParseField(std::string_view name, std::string_view value);
  bool ReadLine(std::string_view& bytes);
  bool ReadChunkSize();
  void Keep(std::string_view bytes);
  State Broken();

  Part part_ = Part::kHead;
  int status_ = 0;
  bool keep_alive_ = true;
  bool begun_ = false;
  bool chunked_ = false;
  bool broken_ = false;
  bool has_length_ = false;
  std::uint64_t left_ = 0;  ///< Of the body or of a chunk.
  std::size_t kept_max_ = 0;
  std::string line_;  ///< A part of a head or line that is not whole.
  std::string body_;
};

}  // namespace cotenant
