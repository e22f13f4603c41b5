#pragma once

/// What residency is studied on: two zoos, the authors' fixture, and families of load. All made
/// from integers and a seed.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "catalog/scenario.h"
#include "simulation/residency_study.h"

namespace cotenant {

/// The five applications of Edge-MultiAI's prototype: its sizes. Accuracies and load times are
/// ours, because none are published: 90 points for the largest variant, 60 for a vanishing one,
/// falling with the square of what is missing; a load reads 1 GB/s after 20 ms.
std::vector<StudyApplication> AuthorsZoo();
/// The authors' load times are not known either: theirs take none.
void LoadInNoTime(std::vector<StudyApplication>& applications);
/// The prototype's workload-0: requests of the five, in seconds.
void AddAuthorsWorkload(std::vector<StudyApplication>& applications);

/// Ten small real networks: memory after the load of a prepared file (weights and anonymous) and
/// load time as measured on one small machine; accuracies measured for text recognition and the
/// classifiers, stated for the others.
std::vector<StudyApplication> MeasuredZoo();

/// The first `count` of the zoo, again from its first one when it has fewer.
std::vector<StudyApplication> Repeated(std::span<const StudyApplication> zoo, std::size_t count);
Bytes SumOfBest(std::span<const StudyApplication> applications);

/// Poisson, periodic and bursty are for tuning; results are reported on the others.
enum class LoadFamily : unsigned char {
  kPoisson,
  kPeriodic,
  kBursty,
  kDiurnal,
  kSpiky,
  kRegime,
  kCorrelated,
};
inline constexpr LoadFamily kTuningFamilies[] = {LoadFamily::kPoisson, LoadFamily::kPeriodic,
                                                 LoadFamily::kBursty};
inline constexpr LoadFamily kReportedFamilies[] = {LoadFamily::kDiurnal, LoadFamily::kSpiky,
                                                   LoadFamily::kRegime, LoadFamily::kCorrelated};
std::string_view NameOf(LoadFamily family);

/// Replaces all requests. Mean intervals go from `shortest` to eight times that, in even ratios
/// over the applications, dealt to them by the seed.
void DrawRequests(LoadFamily family, std::uint64_t seed, Duration shortest, Duration lasts,
                  std::vector<StudyApplication>& applications);

/// When each request is expected: early or late by up to `per_cent` of the application's mean
/// interval.
void Foretell(std::int32_t per_cent, std::uint64_t seed, Duration lasts,
              std::vector<StudyApplication>& applications);

}  // namespace cotenant
