#include "server/decision_ring.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "scheduler/decision_text.h"

namespace cotenant {
namespace {

std::optional<RequestId> NumberOf(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return RequestId{number};
}

}  // namespace

std::vector<RecordedDecision> DecisionRing::Last(std::size_t count) const {
  std::vector<RecordedDecision> found;
  const std::size_t kept = std::min(count, kept_);
  found.reserve(kept);
  for (std::size_t i = kept_ - kept; i < kept_; ++i) found.push_back(Place(i));
  return found;
}

std::vector<RecordedDecision> DecisionRing::Of(std::string_view request) const {
  const std::string_view cut = request.substr(0, ClientId::kSizeMax);
  std::vector<RequestId> requests;
  if (const std::optional<RequestId> number = NumberOf(request)) requests.push_back(*number);
  std::vector<RunId> runs;
  for (std::size_t i = 0; i < kept_; ++i) {
    const RecordedDecision& place = Place(i);
    const auto* admission = std::get_if<AdmissionDecision>(&place.decision);
    if (admission != nullptr && !cut.empty() && place.client_id.view() == cut) {
      requests.push_back(admission->request);
    }
    const auto* join = std::get_if<JoinDecision>(&place.decision);
    if (join != nullptr && std::ranges::count(requests, join->request) > 0) {
      runs.push_back(join->run);
    }
  }
  std::vector<RecordedDecision> found;
  for (std::size_t i = 0; i < kept_; ++i) {
    const RecordedDecision& place = Place(i);
    const auto about = [&place](RequestId id) { return IsAbout(place.decision, id); };
    const auto* start = std::get_if<StartDecision>(&place.decision);
    if (std::ranges::any_of(requests, about) ||
        (start != nullptr && std::ranges::count(runs, start->run) > 0)) {
      found.push_back(place);
    }
  }
  return found;
}

}  // namespace cotenant
