#include "simulation/residency_cases.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "simulation/arrival_times.h"

namespace cotenant {
namespace {

constexpr std::int64_t kMegabyte = 1'000'000;

/// By size alone; see AuthorsZoo().
ResidentVariantView VariantOfSize(std::int64_t megabytes, std::int64_t largest) {
  const std::int64_t missing = 1'000 - megabytes * 1'000 / largest;
  return {Bytes(megabytes * kMegabyte),
          static_cast<std::int32_t>(90'000 - 30'000 * missing * missing / 1'000'000),
          Duration::Milliseconds(20 + megabytes)};
}

/// Sizes in tenths of a megabyte, accuracy in tenths of a point, load in milliseconds.
struct MeasuredVariant {
  std::int64_t size;
  std::int32_t accuracy;
  std::int64_t load;
};
struct MeasuredModel {
  std::string_view name;
  std::vector<MeasuredVariant> variants;
  bool by_labels = false;
};

const std::vector<MeasuredModel>& MeasuredModels() {
  static const std::vector<MeasuredModel> models = {
      {"text-detection", {{152, 950, 48}, {157, 965, 30}, {208, 980, 24}}},
      {"text-recognition", {{150, 647, 40}, {260, 738, 35}, {420, 780, 38}}, true},
      {"clothes", {{268, 900, 13}, {799, 901, 52}}, true},
      {"sentence-embedding", {{335, 820, 22}}},
      {"objects", {{130, 804, 25}, {160, 806, 30}}, true},
      {"voice", {{123, 950, 60}}},
      {"file-type", {{132, 990, 54}}},
      {"text-direction", {{116, 980, 40}}},
      {"faces", {{104, 900, 40}, {106, 930, 50}}},
      {"music", {{110, 900, 104}}},
  };
  return models;
}

/// A pattern, and how long before the study it began.
struct Began {
  ArrivalPattern pattern;
  Duration before;
};

Began PatternOf(LoadFamily family, Duration mean, Duration lasts, std::size_t place,
                Random& random) {
  const Duration phase = Duration::Nanoseconds(random.Between(0, mean.nanoseconds()));
  switch (family) {
    case LoadFamily::kPoisson: return {PoissonArrivals{mean}, {}};
    case LoadFamily::kPeriodic: return {PeriodicArrivals{mean, mean / 10, phase}, {}};
    // Five times the rate for a fifth of the time.
    case LoadFamily::kBursty: return {BurstyArrivals{{}, mean / 5, mean * 12, mean * 3}, mean * 15};
    case LoadFamily::kDiurnal:
      return {DiurnalArrivals{mean * 4, mean / 2, lasts / 2},
              Duration::Nanoseconds(random.Between(0, lasts.nanoseconds() / 2))};
    case LoadFamily::kSpiky: return {SpikyArrivals{mean * 2, mean * 10, 5}, {}};
    case LoadFamily::kRegime: {
      RegimeArrivals regime;
      for (std::size_t step = 0; step < 3; ++step) {
        const Duration interval = (step + place) % 3 == 0 ? mean / 2 : mean * 3;
        regime.steps.push_back({lasts / 3 * static_cast<std::int64_t>(step), interval});
      }
      return {regime, {}};
    }
    case LoadFamily::kCorrelated: break;
  }
  return {CorrelatedArrivals{0, 700, mean / 4}, {}};
}

}  // namespace

std::vector<StudyApplication> AuthorsZoo() {
  const std::vector<std::vector<std::int64_t>> ladders = {
      {100, 200, 500, 600, 800, 900, 1000, 1200, 1400, 1500},
      {600, 800, 900, 1000, 1250, 1300},
      {200, 500, 700, 900, 1250, 1300, 1500, 1700},
      {100, 400, 500, 900, 1250, 1300, 1600},
      {300, 600, 800, 900, 1000, 1200, 1250, 1300, 1500, 1700},
  };
  std::vector<StudyApplication> zoo;
  for (const std::vector<std::int64_t>& ladder : ladders) {
    StudyApplication& application = zoo.emplace_back();
    application.name = "app-" + std::to_string(zoo.size());
    for (std::int64_t size : ladder) {
      application.variants.push_back(VariantOfSize(size, ladder.back()));
    }
  }
  return zoo;
}

void LoadInNoTime(std::vector<StudyApplication>& applications) {
  for (StudyApplication& application : applications) {
    for (ResidentVariantView& variant : application.variants) variant.load_takes = Duration();
  }
}

void AddAuthorsWorkload(std::vector<StudyApplication>& applications) {
  constexpr std::pair<std::size_t, std::int64_t> kRequests[] = {
      {1, 129'101},   {1, 144'900},   {2, 152'744},   {4, 158'089},   {1, 198'249},
      {1, 294'316},   {2, 341'943},   {3, 360'155},   {4, 571'185},   {1, 583'735},
      {3, 614'394},   {3, 733'762},   {5, 916'519},   {4, 937'068},   {2, 983'406},
      {4, 1'010'444}, {4, 1'041'225}, {2, 1'042'493}, {5, 1'052'186}, {2, 1'124'708},
      {5, 1'211'317}, {3, 1'269'791}, {5, 1'271'468}, {3, 1'332'119}, {5, 1'394'837},
  };
  for (const auto& [application, milliseconds] : kRequests) {
    const Instant at = Instant() + Duration::Milliseconds(milliseconds);
    applications[application - 1].requests.push_back(at);
    applications[application - 1].foretold.push_back(at);
  }
}

std::vector<StudyApplication> MeasuredZoo() {
  std::vector<StudyApplication> zoo;
  for (const MeasuredModel& model : MeasuredModels()) {
    StudyApplication& application = zoo.emplace_back();
    application.name = model.name;
    application.by_labels = model.by_labels;
    for (const MeasuredVariant& variant : model.variants) {
      application.variants.push_back({Bytes(variant.size * kMegabyte / 10), variant.accuracy * 100,
                                      Duration::Milliseconds(variant.load)});
    }
  }
  return zoo;
}

std::vector<StudyApplication> Repeated(std::span<const StudyApplication> zoo, std::size_t count) {
  std::vector<StudyApplication> applications;
  for (std::size_t i = 0; i < count; ++i) {
    applications.push_back(zoo[i % zoo.size()]);
    if (i >= zoo.size()) applications.back().name += "-" + std::to_string(i / zoo.size() + 1);
  }
  return applications;
}

Bytes SumOfBest(std::span<const StudyApplication> applications) {
  Bytes sum;
  for (const StudyApplication& application : applications) sum += application.variants.back().size;
  return sum;
}

std::string_view NameOf(LoadFamily family) {
  switch (family) {
    case LoadFamily::kPoisson: return "poisson";
    case LoadFamily::kPeriodic: return "periodic";
    case LoadFamily::kBursty: return "bursty";
    case LoadFamily::kDiurnal: return "diurnal";
    case LoadFamily::kSpiky: return "spiky";
    case LoadFamily::kRegime: return "regime";
    case LoadFamily::kCorrelated: break;
  }
  return "correlated";
}

void DrawRequests(LoadFamily family, std::uint64_t seed, Duration shortest, Duration lasts,
                  std::vector<StudyApplication>& applications) {
  Random random(seed);
  // 1 … 8 in even ratios: powers of 2^(3 / (n - 1)), to a thousandth by linear interpolation.
  std::vector<Duration> means;
  const std::size_t count = applications.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto eighths = static_cast<std::int64_t>(count > 1 ? 3'000 * i / (count - 1) : 0);
    const std::int64_t octave = eighths / 1'000;
    const std::int64_t factor = (std::int64_t{1} << octave) * (1'000 + eighths % 1'000);
    means.push_back(Duration::Microseconds(shortest.microseconds() * factor / 1'000));
  }
  for (std::size_t i = count; i > 1; --i) std::swap(means[i - 1], means[random.Below(i)]);

  std::vector<Random> groups;
  for (int group = 0; group < 3; ++group) groups.emplace_back(random.Next());
  const ArrivalPattern group_pattern = PoissonArrivals{shortest * 2};
  for (std::size_t i = 0; i < count; ++i) {
    Random own(random.Next());
    const Began began = PatternOf(family, means[i], lasts, i, own);
    std::unique_ptr<ArrivalTimes> events;
    if (family == LoadFamily::kCorrelated) {
      events =
          std::make_unique<ArrivalTimes>(group_pattern, Duration(), lasts, groups[i % 3], nullptr);
    }
    ArrivalTimes times(began.pattern, Duration() - began.before, lasts, own, std::move(events));
    applications[i].requests.clear();
    applications[i].foretold.clear();
    for (Duration at = times.Next(); at < lasts; at = times.Next()) {
      if (at >= Duration()) applications[i].requests.push_back(Instant() + at);
    }
  }
}

void Foretell(std::int32_t per_cent, std::uint64_t seed, Duration lasts,
              std::vector<StudyApplication>& applications) {
  Random random(seed);
  for (StudyApplication& application : applications) {
    application.foretold.clear();
    const auto count = static_cast<std::int64_t>(application.requests.size());
    if (count == 0) continue;
    const std::int64_t most = (lasts / count).nanoseconds() / 100 * per_cent;
    for (Instant at : application.requests) {
      const Duration off = Duration::Nanoseconds(random.Between(-most, most));
      application.foretold.push_back(std::max(Instant(), at + off));
    }
  }
}

}  // namespace cotenant
