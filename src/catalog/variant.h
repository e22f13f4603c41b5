#pragma once

/// The forms that a model may take in memory: precisions of one network, optimised graphs of it, or
/// other networks for the same task. Plain data, read from a model's folder or from the cache of
/// prepared networks.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

/// How an accuracy was obtained.
enum class AccuracySource : unsigned char {
  kUnknown,    ///< It was not: the variant answers only requests that name it.
  kStated,     ///< Somebody wrote it down.
  kAgreement,  ///< Share of answers equal to those of the model's own network.
  kLabels,     ///< Measured on labelled data.
};
/// "unknown", "stated", "agreement", "labels".
std::string_view AccuracySourceName(AccuracySource source);
std::optional<AccuracySource> FindAccuracySource(std::string_view name);

/// Points of the task's own measure, in thousandths (76.6 points: 76,600).
inline constexpr std::int32_t kFullAccuracy = 100'000;
struct Accuracy {
  std::int32_t milli = 0;
  AccuracySource source = AccuracySource::kUnknown;

  bool known() const { return source != AccuracySource::kUnknown; }
  bool operator==(const Accuracy&) const = default;
};
/// "76.6", without needless digits.
std::string AccuracyText(std::int32_t milli);

/// The accuracy to go by: agreement with a network whose own accuracy is known becomes what is left
/// of that at least, so that all variants of a model are measured by one measure.
Accuracy Comparable(Accuracy variant, Accuracy own);

/// The name under which requests ask for the network that the model's folder calls its own.
inline constexpr std::string_view kOwnVariantName = "default";

/// "detector:int8": how a variant beside the own network is named where models are.
std::string VariantTitle(std::string_view model, std::string_view variant);
/// "detector" of the above; empty where it names no variant.
std::string_view ModelOfTitle(std::string_view title);

/// What a variant takes, as measured in a process of its own.
struct VariantCost {
  Bytes mapped;
  Bytes anonymous;
  Bytes run_peak;         ///< The greatest of one run, beyond the two above.
  Bytes transition_peak;  ///< The most in use at any moment of its load.
  Duration load_takes;
};

/// A form of a network that can be loaded in its place: as it was prepared, or as it was shipped.
struct NetworkForm {
  /// A file of our own cache, absolute, which nobody changes in place. Empty: the network as it was
  /// shipped.
  std::string path;
  /// In place of the model's own (`RuntimeOptions`); negative: as the model's.
  std::int32_t graph_optimization_level = -1;
  /// Session configuration entries on top of the model's own.
  std::map<std::string, std::string> session_entries;
  std::optional<VariantCost> cost;  ///< Empty: seen when it is loaded.
};

/// One variant beside the network that the model's folder calls its own.
struct VariantSource {
  std::string name;  ///< "int8". Letters, digits, '-', '_' and '.'; unique in its model.
  /// A network file on disk, absolute; or empty when `content` holds the network itself, or `form`
  /// is all there is of it.
  std::string path;
  std::shared_ptr<const std::string> content;
  /// What to load in its place, if there is a path, and what it takes, if that was measured.
  std::optional<NetworkForm> form;
  Accuracy accuracy;
  /// The model's names of inputs and outputs → the variant's, where they differ.
  std::map<std::string, std::string> inputs;
  std::map<std::string, std::string> outputs;
};

/// What a model's folder says of how its variants may be used.
struct VariantUse {
  /// Of the network that the folder calls its own, as somebody declared it.
  Accuracy accuracy;
  /// What the others are compared with: the one declared, else its agreement with itself, which is
  /// full.
  Accuracy own_accuracy() const {
    return accuracy.known() ? accuracy : Accuracy{kFullAccuracy, AccuracySource::kAgreement};
  }
  /// No variant below this is put in memory for requests that do not name it. Zero: any.
  std::int32_t accuracy_min = 0;
  bool pinned = false;    ///< Never taken out of memory for others.
  bool stateful = false;  ///< Requests of one sequence stay on one variant.
  /// It leaves memory when nobody has asked for it for so long. Zero: it does not. None: as the
  /// server says for all models.
  std::optional<Duration> idle_unload = std::nullopt;
};

}  // namespace cotenant
