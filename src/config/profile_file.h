#pragma once

/// A machine's profile as a JSON file, as `cotenant profile` writes it and scenarios, admission and
/// the simulator read it. Times are whole nanoseconds and memory is in bytes, so that what is
/// written comes back equal. Blocks on the file.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/profile.h"

namespace cotenant {

/// Raise it when a real machine has more models.
inline constexpr std::int64_t kProfileBytesMax = 64 << 20;

/// A file is written under its name and this, and renamed when it is whole.
inline constexpr std::string_view kPartEnding = ".part";

/// InvalidArgument names the file and the path of the value: "models[2].runs[0].rows".
Result<MachineProfile> ParseMachineProfile(std::string_view json, const std::string& file);
Result<MachineProfile> ReadProfileFile(const std::filesystem::path& path);

std::string MachineProfileText(const MachineProfile& profile);
/// Replaces the file at once, or leaves it as it was.
Status WriteProfileFile(const std::filesystem::path& path, const MachineProfile& profile);

}  // namespace cotenant
