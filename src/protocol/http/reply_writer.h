#pragma once

/// What goes out: a head, a body of text, and tensors straight from the memory in which the run
/// left them.
///
/// An `HttpReply` keeps its strings' capacity from request to request, so that a steady connection
/// allocates nothing. The parts point into it, into the call's outputs and nowhere else.

#include <sys/uio.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/http/head_parser.h"
#include "server/infer_call.h"

namespace cotenant {

/// How to send an answer; the same for every kind of answer.
struct ReplyStyle {
  bool keep_alive = true;
  bool http_1_0 = false;
  bool head_only = false;  ///< Answers a HEAD request: the body is counted, but not sent.
  HttpCoding coding = HttpCoding::kIdentity;  ///< Taken by the client; used for longer text.
};

class HttpReply {
 public:
  /// An answer whose body is text.
  void SetText(int status, std::string_view content_type, std::string_view text,
               const ReplyStyle& style);
  /// {"error": "MESSAGE"} with the members and headers that go with the status.
  void SetError(int status, std::string_view message, const ReplyStyle& style);
  /// 405, saying what is allowed, for example "GET, HEAD".
  void SetNotAllowed(std::string_view methods, const ReplyStyle& style);
  /// A call that ended badly: its code decides the status; refusals say when and with which bound
  /// to try again.
  void SetFailure(const InferCall& call, const ReplyStyle& style);
  /// A call's outputs, in JSON or behind it. Not ok: an output cannot be sent as asked; nothing is
  /// set.
  Status SetOutputs(const InferCall& call, bool with_facts, const ReplyStyle& style);

  int status() const { return status_code_; }
  /// What is still to be sent. `Advance` takes off what the socket took; true when nothing is left.
  const std::vector<iovec>& parts() const { return parts_; }
  std::size_t first_part() const { return first_part_; }
  bool Advance(std::size_t sent);
  /// Bytes held, for the account of what is under way.
  std::size_t bytes() const { return body_.size() + classes_.size(); }
  /// Forgets the content; strings that grew beyond `kept_max` give their memory back.
  void Clear(std::size_t kept_max);

 private:
  void BeginHead(int status, const ReplyStyle& style);
  void EndHead(std::size_t body_size);
  void Finish(int status, std::string_view content_type, std::string_view extra_header,
              const ReplyStyle& style);
  void AddPart(const void* bytes, std::size_t size);
  Status AppendOutput(const ReplyOutput& output, bool batched);

  int status_code_ = 0;
  std::string head_;
  std::string body_;
  std::string classes_;  ///< Classification results in raw form.
  struct Binary {
    const std::byte* bytes;  ///< Null: at `offset` of `classes_`, which may move while it grows.
    std::size_t offset;
    std::size_t size;
  };
  std::vector<Binary> binaries_;
  std::vector<iovec> parts_;
  std::size_t first_part_ = 0;
};

/// HTTP's status for a code (see base/result.h).
int HttpStatusOf(Code code);
std::string_view HttpReason(int status);

}  // namespace cotenant
