#pragma once

/// Real inputs of a network as raw files: a folder holds one folder for each sample, and that a
/// file for each input, named as the input (with '_' for '/') and, where the file's size does not
/// tell them, with its dimensions behind: "input_ids", "x.3x48x192". Little-endian values, BYTES
/// each with its length. Blocks on files.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/shape.h"
#include "catalog/datatype.h"

namespace cotenant {

/// More than these are not read: time is better spent otherwise.
inline constexpr std::size_t kSamplesMost = 64;

/// The folders of samples, by name. None where `folder` is empty or does not exist.
std::vector<std::filesystem::path> SampleFolders(const std::filesystem::path& folder);
/// The files of one, by name.
std::vector<std::filesystem::path> FilesOf(const std::filesystem::path& sample);

/// As the file of an input is named, without dimensions.
std::string SampleFileName(std::string input);
/// Nothing: the name says none, or is not of this input.
std::optional<Shape> DimsInName(const std::filesystem::path& file, const std::string& input);
/// Nothing: there is no file of this input.
std::optional<std::filesystem::path> FindInputFile(const std::vector<std::filesystem::path>& files,
                                                   const std::string& input);

/// How many values the bytes are; negative when they are no whole number of them.
std::int64_t CountValues(DataType type, std::span<const std::byte> bytes);

}  // namespace cotenant
