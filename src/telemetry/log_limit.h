#pragma once

/// Keeps one source, such as a network that refuses what it is given, from filling the log: of each
/// a few lines a minute are written, and the next one after that says how many were left out.
///
/// Not thread-safe.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace cotenant {

class LogLimit {
 public:
  /// What to write behind the line, mostly nothing; or none when the line is to be left out.
  std::optional<std::string> Take(std::string_view source, Instant now);

 private:
  struct Source {
    Instant since;
    std::uint32_t written = 0;
    std::uint64_t left_out = 0;
  };

  std::map<std::string, Source, std::less<>> sources_;
};

}  // namespace cotenant
