#include "catalog/variant.h"

#include <algorithm>
#include <array>
#include <utility>

namespace cotenant {
namespace {

constexpr std::array<std::pair<AccuracySource, std::string_view>, 4> kNames = {{
    {AccuracySource::kUnknown, "unknown"},
    {AccuracySource::kStated, "stated"},
    {AccuracySource::kAgreement, "agreement"},
    {AccuracySource::kLabels, "labels"},
}};

}  // namespace

std::string_view AccuracySourceName(AccuracySource source) {
  for (const auto& [known, name] : kNames) {
    if (known == source) return name;
  }
  return "unknown";
}

std::optional<AccuracySource> FindAccuracySource(std::string_view name) {
  for (const auto& [source, known] : kNames) {
    if (known == name) return source;
  }
  return std::nullopt;
}

std::string AccuracyText(std::int32_t milli) {
  std::string text = std::to_string(milli / 1'000);
  std::string rest = std::to_string(1'000 + milli % 1'000).substr(1);
  while (!rest.empty() && rest.back() == '0') rest.pop_back();
  return rest.empty() ? text : text + "." + rest;
}

std::string VariantTitle(std::string_view model, std::string_view variant) {
  return std::string(model) + ":" + std::string(variant);
}

std::string_view ModelOfTitle(std::string_view title) {
  // No variant has a colon in its name.
  const std::size_t colon = title.rfind(':');
  return colon == std::string_view::npos ? std::string_view() : title.substr(0, colon);
}

Accuracy Comparable(Accuracy variant, Accuracy own) {
  const bool against_own = variant.source == AccuracySource::kAgreement && own.known() &&
                           own.source != AccuracySource::kAgreement;
  if (against_own) variant.milli = std::max(0, own.milli - (kFullAccuracy - variant.milli));
  return variant;
}

}  // namespace cotenant
