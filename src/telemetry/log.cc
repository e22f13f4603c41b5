#include "telemetry/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

#include "telemetry/log_limit.h"

namespace cotenant {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%fZ %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})";

struct LogState {
  std::shared_ptr<spdlog::logger> logger;
  LogFormat format = LogFormat::kText;
};

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger> NewLogger(spdlog::sink_ptr sink, LogFormat format, LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("cotenant", std::move(sink));
  logger->set_level(SpdlogLevel(level));
  logger->flush_on(spdlog::level::debug);
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::kJson ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc));
  return logger;
}

LogState& TheLog() {
  static LogState log{NewLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), LogFormat::kText,
                                LogLevel::kInfo),
                      LogFormat::kText};
  return log;
}

/// How many bytes the UTF-8 sequence at the start of the text has; 0 when there is none.
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

/// One line of readable text: control characters are shown, not sent to the terminal.
std::string TextEscaped(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr std::string_view digits = "0123456789abcdef";
      line.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    } else {
      line += c;
    }
  }
  return line;
}

void AppendField(std::string& line, LogFormat format, std::string_view name, std::string_view value,
                 bool quoted) {
  if (format == LogFormat::kJson) {
    line.append(",\"").append(name).append("\":");
    if (quoted) {
      line.append("\"").append(JsonEscaped(value)).append("\"");
    } else {
      line.append(value);
    }
  } else {
    line.append(" ").append(name).append("=");
    // Quotes, so that a value cannot look like a field of its own.
    const bool plain = value.find_first_of(" \"=") == std::string_view::npos;
    line.append(plain ? TextEscaped(value) : "\"" + JsonEscaped(value) + "\"");
  }
}

std::string MessagePart(LogFormat format, std::string_view message) {
  if (format == LogFormat::kText) return TextEscaped(message);
  return "\"message\":\"" + JsonEscaped(message) + "\"";
}

std::optional<std::string> TakeLine(std::string_view source) {
  static std::mutex mutex;
  static LogLimit limit;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const std::lock_guard lock(mutex);
  return limit.Take(source,
                    Instant() + Duration::Nanoseconds(std::chrono::nanoseconds(now).count()));
}

}  // namespace

std::string JsonEscaped(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = SequenceLength(text);
    const char c = text.front();
    if (length == 0) {
      escaped += "\xEF\xBF\xBD";
    } else if (c == '"' || c == '\\') {
      escaped.append(1, '\\').append(1, c);
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      escaped.append("\\u00").append(1, digits[static_cast<std::size_t>(c) >> 4]);
      escaped.append(1, digits[static_cast<std::size_t>(c) & 15]);
    } else {
      escaped.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return escaped;
}

Status SetUpLog(const LogOptions& options) {
  spdlog::sink_ptr sink;
  if (options.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    } catch (const spdlog::spdlog_ex& error) {
      return InvalidArgument("log file '" + options.file + "': " + error.what());
    }
  }
  TheLog() = LogState{NewLogger(std::move(sink), options.format, options.level), options.format};
  return Status();
}

bool LogEnabled(LogLevel level) { return TheLog().logger->should_log(SpdlogLevel(level)); }

void Log(LogLevel level, std::string_view message) {
  if (!LogEnabled(level)) return;
  const std::string text = MessagePart(TheLog().format, message);
  TheLog().logger->log(SpdlogLevel(level), spdlog::string_view_t(text));
}

void LogLimited(LogLevel level, std::string_view source, std::string_view message) {
  if (!LogEnabled(level)) return;
  const std::optional<std::string> behind = TakeLine(source);
  if (behind) Log(level, std::string(message) + *behind);
}

void LogRequest(LogLevel level, std::string_view message, const RequestLine& line) {
  if (!LogEnabled(level)) return;
  std::optional<std::string> behind = "";
  if (level >= LogLevel::kWarning) behind = TakeLine(line.model);
  if (!behind) return;
  const LogFormat format = TheLog().format;
  std::string text = MessagePart(format, std::string(message) + *behind);
  const std::array<std::pair<std::string_view, std::string_view>, 6> fields = {{
      {"protocol", line.protocol},
      {"request_id", line.request_id},
      {"traceparent", line.traceparent},
      {"model", line.model},
      {"version", line.version},
      {"tenant", line.tenant},
  }};
  for (const auto& [name, value] : fields) {
    if (!value.empty()) AppendField(text, format, name, value, true);
  }
  if (line.status != 0) {
    AppendField(text, format, "status", std::to_string(line.status), false);
  }
  if (line.took > Duration()) {
    AppendField(text, format, "took_us", std::to_string(line.took.microseconds()), false);
  }
  TheLog().logger->log(SpdlogLevel(level), spdlog::string_view_t(text));
}

}  // namespace cotenant
