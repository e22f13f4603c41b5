#pragma once

/// Decides how much of the memory budget other programs have taken, from what the system says is
/// left, and when our own heap takes more of it than it uses.
///
/// A budget is given when the server starts; what else runs on the box, or in its cgroup, may grow
/// later. Then models and runs must do with less, until it is back. A plain value: whoever reads
/// the meters asks it. One thread.

#include <optional>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

class MemoryWatch {
 public:
  /// `budget`: of the whole server.
  explicit MemoryWatch(Bytes budget) : budget_(budget) {}

  /// Would `Look` take something from the budget? Then what is only kept is given back first.
  bool IsShort(Bytes room) const { return Lacking(room) >= given_up_ + Step(); }
  /// `room`: what the server could take now, with what it has (`ReadMemoryRoom`). → what of the
  /// budget is given up from now on, where that changes. Growing back waits until there was enough
  /// for some seconds.
  std::optional<Bytes> Look(Bytes room, Instant now);
  Bytes given_up() const { return given_up_; }
  /// Should unused heap go back to the system now? Malloc keeps pages that it has no use for; when
  /// what is resident comes near the budget, they are looked for, which takes some time, and so not
  /// often.
  bool ShouldTrim(Bytes resident, Instant now);

 private:
  /// Smaller changes are not worth one.
  Bytes Step() const { return Bytes(budget_.count() / 64); }
  /// A 32nd of what there is stays for what cannot be foreseen.
  Bytes Lacking(Bytes room) const;

  Bytes budget_;
  Bytes given_up_;
  Bytes lately_;  ///< The most that was lacking since `since_`.
  Instant since_ = Instant::Max();
  Instant trim_next_;
};

}  // namespace cotenant
