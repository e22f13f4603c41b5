#pragma once

/// Runs a program for what it prints: low priority, ended when its time is over. (What measures
/// networks ends with us by itself.)
///
/// Blocks until the program has ended. Any thread. Nothing of this process is copied for it,
/// however large it is.

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace cotenant {

struct ChildOutput {
  int exit_status = 0;  ///< Of the program; 128 and the signal's number when one ended it.
  std::string printed;  ///< On its standard output.
  std::string errors;   ///< On its standard error output; the last of it where it is long.
};

/// The first word is the program's path, or a name to look up in PATH. DeadlineExceeded when it was
/// ended because its time was over; Unavailable when it could not be started.
Result<ChildOutput> RunChild(const std::vector<std::string>& words, Duration lasts_max);

}  // namespace cotenant
