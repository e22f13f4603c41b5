#pragma once

/// The networks of a live comparison: what a repository has, how many tenants it makes, and
/// repositories of links for servers that are to have all variants of each, or one.
///
/// Links only: every server reads the same files. Blocks on files.

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/profile.h"
#include "config/directory_source.h"

namespace cotenant {

struct LiveVariant {
  std::string name;  ///< "default" is the model's own network.
  std::filesystem::path network;
  std::int32_t accuracy = 0;  ///< Thousandths of points; of the own network 100 when unknown.
  ModelProfile profile;       ///< As measured before the comparison.
  Bytes size() const { return profile.mapped + profile.anonymous; }
};

/// One tenant's model. Two tenants may have the same network; it is then in memory twice.
struct LiveModel {
  std::string name;
  std::filesystem::path folder;
  std::string samples;                ///< Their folder; empty: none.
  std::vector<LiveVariant> variants;  ///< The model's own first.

  const LiveVariant& Best() const;      ///< The most accurate, and of these the smallest.
  const LiveVariant& Smallest() const;  ///< In memory.
};

/// Each model of the repository; again, as "NAME-2", until there are `tenants`. Variants whose
/// accuracy nobody states are left out: no policy would choose them. `data` has a folder of samples
/// for each model, or is empty.
Result<std::vector<LiveModel>> ReadLiveModels(const std::filesystem::path& repository,
                                              const std::filesystem::path& data,
                                              std::size_t tenants);

/// A folder of `repository` that has one network only.
Status LinkOne(const LiveModel& model, const LiveVariant& variant, const std::string& name,
               const std::filesystem::path& repository);
/// One with all variants, as the model's own folder.
Status LinkAll(const LiveModel& model, const std::filesystem::path& repository);

/// As `NAME--VARIANT`, in the repository that the networks are measured in.
std::string MeasuredName(const LiveModel& model, const LiveVariant& variant);

}  // namespace cotenant
