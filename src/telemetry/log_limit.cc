#include "telemetry/log_limit.h"

namespace cotenant {
namespace {

/// Lines of a source in `kWindow`. Raise it if a load's warnings are cut off.
constexpr std::uint32_t kLinesMax = 5;
constexpr Duration kWindow = Duration::Seconds(60);
/// Sources told apart; those beyond share one account. Raise it with the models of a node.
constexpr std::size_t kSourcesMax = 1'024;

}  // namespace

std::optional<std::string> LogLimit::Take(std::string_view source, Instant now) {
  auto found = sources_.find(source);
  if (found == sources_.end()) {
    const bool full = sources_.size() >= kSourcesMax;
    found = sources_.try_emplace(full ? std::string() : std::string(source)).first;
    if (found->second.written == 0) found->second.since = now;
  }
  Source& account = found->second;
  std::string behind;
  if (now - account.since >= kWindow) {
    if (account.left_out > 0) {
      behind = " (" + std::to_string(account.left_out) + " more lines of it were left out before)";
    }
    account = Source{now};
  }
  if (account.written == kLinesMax) {
    ++account.left_out;
    return std::nullopt;
  }
  if (++account.written == kLinesMax) behind += " (more of it within a minute is left out)";
  return behind;
}

}  // namespace cotenant
