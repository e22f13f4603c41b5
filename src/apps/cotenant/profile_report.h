#pragma once

/// What `cotenant profile` measured, as tables for people and as JSON (docs/profiles.md).

#include <string>
#include <utility>
#include <vector>

#include "apps/cotenant/profile_model.h"
#include "apps/cotenant/profile_node.h"

namespace cotenant {

struct ProfileReport {
  std::string cpu;
  std::string onnxruntime_version;
  std::string cotenant_version;
  std::int32_t slots = 1;
  std::vector<MeasuredModel> models;
  /// Model and version, and why it could not be measured.
  std::vector<std::pair<std::string, std::string>> failures;
  std::vector<MeasuredNode> nodes;  ///< By size of request; empty when not measured.
  std::size_t chosen_node = 0;      ///< Whose costs the profile has.
  // Facts of this very run.
  std::string started;  ///< UTC, ISO 8601.
  Duration took;
  double host_steal_percent = -1;  ///< -1: unknown.
  /// CPU time that other processes of this machine took, of all CPUs' time. -1: unknown.
  double others_percent = -1;

  MachineProfile Profile() const;
};

std::string ProfileTables(const ProfileReport& report);
std::string ProfileJson(const ProfileReport& report);

}  // namespace cotenant
