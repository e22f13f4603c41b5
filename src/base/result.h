#pragma once

/// What a call that may fail on input or environment gives back.
///
/// Two kinds of wrong exist. Input and environment give a `Status` or `Result<T>` with one of ten
/// codes and a message that names the thing; our own bug is `COTENANT_CHECK` and ends the process.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace cotenant {

/// Named as gRPC names them, because every client of the field knows those.
enum class Code : unsigned char {
  kOk,
  kInvalidArgument,     ///< The request itself is wrong, whatever the state. HTTP 400.
  kNotFound,            ///< The thing named is not there. HTTP 404.
  kAlreadyExists,       ///< HTTP 409.
  kFailedPrecondition,  ///< Right request, wrong mode or state. HTTP 400.
  kResourceExhausted,   ///< Over a limit: the request 413; what a model or its run wants, 507.
  kUnavailable,         ///< Not now: overloaded, not feasible, draining. HTTP 503.
  kDeadlineExceeded,    ///< Its time ran out while it waited. HTTP 504.
  kCancelled,           ///< The client went away. HTTP 499 in logs; nobody reads it.
  kUnimplemented,       ///< A feature that is refused by name. HTTP 501.
  kInternal,            ///< The model or the system failed. HTTP 500.
};

/// As written in logs and traces, for example "INVALID_ARGUMENT".
std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status InvalidArgument(std::string message) {
  return Status(Code::kInvalidArgument, std::move(message));
}
inline Status NotFound(std::string message) { return Status(Code::kNotFound, std::move(message)); }
inline Status FailedPrecondition(std::string message) {
  return Status(Code::kFailedPrecondition, std::move(message));
}
inline Status ResourceExhausted(std::string message) {
  return Status(Code::kResourceExhausted, std::move(message));
}
inline Status Unavailable(std::string message) {
  return Status(Code::kUnavailable, std::move(message));
}
inline Status Unimplemented(std::string message) {
  return Status(Code::kUnimplemented, std::move(message));
}
inline Status Internal(std::string message) { return Status(Code::kInternal, std::move(message)); }

/// A value, or the status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit on purpose
    COTENANT_CHECK(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & {
    COTENANT_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    COTENANT_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    COTENANT_CHECK(ok());
    return *std::move(value_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace cotenant

/// Returns from the calling function when the expression is a `Status` that is not ok.
#define COTENANT_RETURN_IF_ERROR(expression)          \
  do {                                                \
    if (auto status_ = (expression); !status_.ok()) { \
      return status_;                                 \
    }                                                 \
  } while (false)
