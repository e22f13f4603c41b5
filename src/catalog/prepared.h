#pragma once

/// What `cotenant prepare` and measurements in a process of their own found out about one network:
/// what it takes as shipped, and the forms of it that are kept in the cache. Plain data.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "catalog/variant.h"

namespace cotenant {

/// Most memory that one run had, for one choice of rows and of the dimensions that are left open.
struct MeasuredShape {
  std::int32_t rows = 1;
  std::string inputs;  ///< "x [1,3,224,224]".
  Bytes run_peak;
  Duration run_takes;  ///< Median.
};

/// One form of a network, measured in a process that did nothing else.
struct MeasuredForm {
  VariantCost cost;
  Duration run_takes;  ///< Median, of the first shape.
  std::vector<MeasuredShape> shapes;
};

/// A file of a form: what it must still be before it is mapped.
struct PreparedFile {
  std::string name;  ///< In the form's folder.
  Bytes size;
  std::string sha256;
};

struct PreparedForm {
  std::string name;     ///< "prepacked"; also its folder's.
  std::string network;  ///< The file to load, in the folder.
  std::int32_t graph_optimization_level = 0;
  std::map<std::string, std::string> session_entries;
  Accuracy accuracy;  ///< Agreement with the network as shipped.
  MeasuredForm measured;
  std::vector<PreparedFile> files;
};

struct PreparedNetwork {
  std::optional<MeasuredForm> shipped;
  /// The first is the one to serve, if it agrees enough; the others win memory or time over it.
  std::vector<PreparedForm> forms;
  /// A form that agrees less is never served in the network's place. Anything but full accuracy is
  /// somebody's choice.
  std::int32_t served_agreement_min = kFullAccuracy;
  struct Dropped {
    std::string name;
    std::string reason;
  };
  std::vector<Dropped> dropped;
  /// Which tries were made: `prepare` tries again when it knows others. Zero: none were made.
  std::int32_t tries = 0;
  /// Real inputs that it was measured and compared with; none: random ones.
  std::int64_t samples = 0;
  std::string samples_sha256;
};

/// Does it give the same answers as the network as shipped, but for rounding?
inline bool IsExact(const PreparedForm& form) { return form.accuracy.milli == kFullAccuracy; }

/// The form that is served in the network's place. Null: the network as shipped is.
inline const PreparedForm* ServedForm(const PreparedNetwork& network) {
  if (network.forms.empty()) return nullptr;
  const PreparedForm& first = network.forms.front();
  return first.accuracy.milli >= network.served_agreement_min ? &first : nullptr;
}

/// What it takes while one run of it is under way.
inline Bytes TakenBy(const MeasuredForm& form) {
  return form.cost.mapped + form.cost.anonymous + form.cost.run_peak;
}

/// The exact form to serve where one with losses may not be: the first of all where that one is
/// exact, else the one that takes least. Null: none is exact.
const PreparedForm* ExactForm(const PreparedNetwork& network);
/// Without the forms that have losses, as if no such one were ever served.
PreparedNetwork ExactOnly(PreparedNetwork network);

/// A form that gives other answers for more samples than this is of no use.
inline constexpr std::int32_t kAgreementMin = 90'000;
/// An exact form that runs longer than this against the fastest is not the one to serve.
inline constexpr double kSlowerMost = 1.25;

/// Is a form that takes less kept from serving only because another was measured to be faster? Then
/// it is worth measuring them again: a machine's speed changes between measurements.
bool SpeedIsInDoubt(const std::vector<PreparedForm>& tried, const PreparedNetwork& network);
/// The lesser of both times of each shape, and of the load.
void KeepLesserTimes(MeasuredForm& one, const MeasuredForm& again);

/// Of the forms that were tried, those that win memory, run time or load time against every other
/// that is at least as accurate, the network as shipped included. The first is the one to serve in
/// its place: it agrees as `network` asks, is not slower than `kSlowerMost` times the fastest of
/// those, and takes least of them; when that is the network as shipped, no such form is kept. Names
/// of the others, with the reason, go to `dropped`.
void KeepWinners(std::vector<PreparedForm> tried, PreparedNetwork& network);

}  // namespace cotenant
