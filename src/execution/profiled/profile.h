#pragma once

/// What a profiled executor does, as written by people: how long a run takes, when it fails, what
/// it answers. One "key = value" per line; '#' starts a comment.
///
///   run_ns = 200000        nanoseconds of one run whatever its rows, or by rows: "1:200000,
///                          4:500000": the next size listed holds; past the last, time grows
///                          with the rows
///   samples_ns = 100, 300  instead of run_ns: one of these is drawn for each run
///   jitter_ns = 0          added to each run, drawn evenly from 0 … jitter
///   seed = 1               of the draws
///   occupy = spin | sleep  whether the run keeps its core busy (spin, the default)
///   output = copy | zero   output i repeats input i's bytes, as far as they go (copy, the
///                          default), or is zero
///   fail_every = 0         each n-th run fails with Internal
///   refuse_byte = -1       a member whose first input begins with this byte is refused:
///                          InvalidArgument
///   memory_bytes = 0       peak that each run reports
///   anonymous_bytes = 0    what the loaded network reports to take
///   mapped_bytes = 0       likewise, of files
///   load_ns = 0            time that loading takes
///   load_error = text      loading fails with this text
///   input = NAME TYPE DIMS           "x FP32 -1,4": in full, batch dimension included; repeatable.
///   output_tensor = NAME TYPE DIMS   Without any, the configuration's are declared, with its batch
///                                    dimension

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/model_config.h"

namespace cotenant {

struct RunProfile {
  enum class Occupy : unsigned char { kSpin, kSleep };
  enum class Answer : unsigned char { kCopy, kZero };
  struct Point {
    std::int32_t rows = 1;
    Duration time;
  };

  std::vector<Point> by_rows;  ///< Rising in rows; empty: no time.
  std::vector<Duration> samples;
  Duration jitter;
  std::uint64_t seed = 1;
  Occupy occupy = Occupy::kSpin;
  Answer answer = Answer::kCopy;
  std::uint64_t fail_every = 0;
  std::int32_t refuse_byte = -1;
  Bytes memory;
  Bytes anonymous;
  Bytes mapped;
  Duration load;
  std::string load_error;
  ModelSignature signature;

  /// Without jitter and samples.
  Duration TimeOf(std::int32_t rows) const;
};

/// Errors name the line and the key, behind `what`.
Result<RunProfile> ReadProfile(const ModelConfig& config, std::string_view text,
                               std::string_view what);

}  // namespace cotenant
