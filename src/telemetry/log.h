#pragma once

/// The program's log: lines of text for people, or JSON lines for machines.
///
/// Set up once, before other threads exist; until then lines go to standard error as text. The
/// calls are for any thread and write before they return, so nothing on the path of a good request
/// logs above `kDebug`. What came from outside is escaped: one call is one line.

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace cotenant {

enum class LogFormat : unsigned char { kText, kJson };
enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;  ///< Lines below are dropped.
  std::string file = {};             ///< Appended to; empty: standard error.
};

/// Fails when the file cannot be opened; the log then stays as it was.
Status SetUpLog(const LogOptions& options);
/// Worth asking before a line is put together.
bool LogEnabled(LogLevel level);

void Log(LogLevel level, std::string_view message);
inline void LogDebug(std::string_view message) { Log(LogLevel::kDebug, message); }
inline void LogInfo(std::string_view message) { Log(LogLevel::kInfo, message); }
inline void LogWarning(std::string_view message) { Log(LogLevel::kWarning, message); }
inline void LogError(std::string_view message) { Log(LogLevel::kError, message); }

/// The same for what clients can cause again and again: of one source, such as a model, only a few
/// lines a minute are written (`LogLimit`).
void LogLimited(LogLevel level, std::string_view source, std::string_view message);

/// What a line about one request tells besides its message. Empty and zero fields are left out.
struct RequestLine {
  std::string_view protocol = {};  ///< "http" or "grpc".
  std::string_view request_id = {};
  std::string_view traceparent = {};
  std::string_view model = {};
  std::string_view version = {};
  std::string_view tenant = {};
  int status = 0;
  Duration took = {};
};
/// Warnings and errors are limited as above, by model.
void LogRequest(LogLevel level, std::string_view message, const RequestLine& line);

/// As between the quotes of a JSON string. What is not UTF-8 becomes U+FFFD.
std::string JsonEscaped(std::string_view text);

}  // namespace cotenant
