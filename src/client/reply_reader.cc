#include "client/reply_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace cotenant {
namespace {

bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

void ReplyReader::Begin(std::size_t kept_max) {
  part_ = Part::kHead;
  status_ = 0;
  keep_alive_ = true;
  begun_ = chunked_ = broken_ = has_length_ = false;
  left_ = 0;
  kept_max_ = kept_max;
  line_.clear();
  body_.clear();
}

ReplyReader::State ReplyReader::Broken() {
  keep_alive_ = false;
  return State::kBroken;
}

void ReplyReader::Keep(std::string_view bytes) {
  body_.append(bytes.substr(0, kept_max_ - std::min(kept_max_, body_.size())));
}

ReplyReader::State ReplyReader::Read(std::string_view bytes) {
  begun_ = begun_ || !bytes.empty();
  while (part_ != Part::kDone) {
    if (part_ == Part::kCounted || part_ == Part::kChunk) {
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      Keep(bytes.substr(0, piece));
      bytes.remove_prefix(piece);
      left_ -= piece;
      if (left_ > 0) return State::kMore;
      part_ = part_ == Part::kCounted ? Part::kDone : Part::kChunkEnd;
    } else if (part_ == Part::kToEnd) {
      Keep(bytes);
      return State::kMore;
    } else if (part_ == Part::kHead) {
      if (!ReadHead(bytes)) return broken_ ? Broken() : State::kMore;
    } else {
      if (!ReadLine(bytes)) return broken_ ? Broken() : State::kMore;
      if (part_ == Part::kChunkSize) {
        if (!ReadChunkSize()) return Broken();
      } else if (part_ == Part::kChunkEnd) {
        if (!line_.empty()) return Broken();
        part_ = Part::kChunkSize;
      } else if (line_.empty()) {
        part_ = Part::kDone;
      }
      line_.clear();
    }
  }
  return bytes.empty() ? State::kWhole : Broken();
}

ReplyReader::State ReplyReader::End() {
  if (part_ == Part::kDone || part_ == Part::kToEnd) {
    part_ = Part::kDone;
    return State::kWhole;
  }
  return Broken();
}

/// Takes a whole head from what was kept and `bytes`, or keeps what there is.
bool ReplyReader::ReadHead(std::string_view& bytes) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (line_.empty()) {
    const std::size_t end = bytes.find(kEnd);
    if (end != std::string_view::npos) {
      broken_ = !ParseHead(bytes.substr(0, end));
      bytes.remove_prefix(end + kEnd.size());
      return !broken_;
    }
  }
  const std::size_t before = line_.size();
  line_.append(bytes);
  const std::size_t end = line_.find(kEnd, before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    bytes = {};
    broken_ = line_.size() > kHeadMax;
    return false;
  }
  bytes.remove_prefix(end + kEnd.size() - before);
  line_.resize(end);
  broken_ = !ParseHead(line_);
  line_.clear();
  return !broken_;
}

bool ReplyReader::ParseHead(std::string_view head) {
  // "HTTP/1.1 200 OK"
  if (head.size() < 12 || !head.starts_with("HTTP/1.") || head[8] != ' ') return false;
  const auto [stop, error] = std::from_chars(head.data() + 9, head.data() + 12, status_);
  if (error != std::errc() || stop != head.data() + 12 || status_ < 100) return false;
  keep_alive_ = head[7] != '0';
  has_length_ = chunked_ = false;
  left_ = 0;
  std::size_t line = head.find("\r\n");
  while (line != std::string_view::npos) {
    const std::size_t begin = line + 2;
    line = head.find("\r\n", begin);
    const std::string_view field = head.substr(begin, line - begin);
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return false;
    ParseField(field.substr(0, colon), Trimmed(field.substr(colon + 1)));
    if (broken_) return false;
  }
  if (status_ < 200) {
    part_ = Part::kHead;  // "100 Continue": the reply itself follows.
  } else if (status_ == 204 || status_ == 304) {
    part_ = Part::kDone;
  } else if (chunked_) {
    part_ = Part::kChunkSize;
  } else if (has_length_) {
    part_ = Part::kCounted;
  } else {
    part_ = Part::kToEnd;
    keep_alive_ = false;
  }
  return true;
}

void ReplyReader::ParseField(std::string_view name, std::string_view value) {
  if (Same(name, "content-length")) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, left_);
    broken_ = error != std::errc() || stop != end;
    has_length_ = true;
  } else if (Same(name, "transfer-encoding")) {
    chunked_ = Same(value, "chunked");
    broken_ = !chunked_;
  } else if (Same(name, "connection")) {
    if (Same(value, "close")) keep_alive_ = false;
    if (Same(value, "keep-alive")) keep_alive_ = true;
  }
}

/// A line up to its end into `line_`, without the end.
bool ReplyReader::ReadLine(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  line_.append(bytes.substr(0, end));
  if (end == std::string_view::npos) {
    bytes = {};
    broken_ = line_.size() > kHeadMax;
    return false;
  }
  bytes.remove_prefix(end + 1);
  broken_ = line_.empty() || line_.back() != '\r';
  if (broken_) return false;
  line_.pop_back();
  return true;
}

bool ReplyReader::ReadChunkSize() {
  const std::string_view size = Trimmed(std::string_view(line_).substr(0, line_.find(';')));
  const char* end = size.data() + size.size();
  const auto [stop, error] = std::from_chars(size.data(), end, left_, 16);
  if (error != std::errc() || stop != end) return false;
  part_ = left_ == 0 ? Part::kTrailer : Part::kChunk;
  return true;
}

}  // namespace cotenant
