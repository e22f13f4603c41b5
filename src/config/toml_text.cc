#include "config/toml_text.h"

namespace cotenant {
namespace {

/// Walks over the text; `at_` only grows.
class Scan {
 public:
  Scan(std::string_view text, const std::string& file) : text_(text), file_(file) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // The byte order mark.
    line_start_ = at_;
  }

  Status Run() {
    std::size_t dots = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        SkipComment();
      } else if (c == '"' || c == '\'') {
        SkipString(c);
      } else if (c == '\n') {
        NextLine();
        dots = 0;
      } else if (c == '.' && ++dots > kTomlDotsMax) {
        return Bad("a line has more than " + std::to_string(kTomlDotsMax) + " dots");
      } else if (static_cast<unsigned char>(c) >= 0x80) {
        return Bad("a character beyond ASCII outside of strings and comments");
      } else {
        ++at_;
      }
    }
    return {};
  }

 private:
  Status Bad(const std::string& message) const {
    return InvalidArgument(file_ + ":" + std::to_string(line_) + ":" +
                           std::to_string(at_ - line_start_ + 1) + ": " + message);
  }

  void NextLine() {
    ++at_;
    ++line_;
    line_start_ = at_;
  }

  void SkipComment() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }

  bool HasThree(char quote) const { return text_.substr(at_, 3) == std::string(3, quote); }

  void SkipString(char quote) {
    const bool long_string = HasThree(quote);
    at_ += long_string ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        // An escaped character; a newline here still counts as one.
        ++at_;
        if (at_ < text_.size()) Step();
      } else if (long_string && c == quote && HasThree(quote)) {
        at_ += 3;
        // Up to two quotes may stand before the closing three.
        for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) ++at_;
        return;
      } else if (!long_string && c == quote) {
        ++at_;
        return;
      } else if (!long_string && c == '\n') {
        return;
      } else {
        Step();
      }
    }
  }

  void Step() {
    if (text_[at_] == '\n') {
      NextLine();
    } else {
      ++at_;
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_start_ = 0;
};

}  // namespace

Status CheckTomlText(std::string_view text, const std::string& file) {
  return Scan(text, file).Run();
}

}  // namespace cotenant
