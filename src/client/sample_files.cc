#include "client/sample_files.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> EntriesOf(const fs::path& folder, bool folders) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    const bool wanted = folders ? it->is_directory(ignored) : it->is_regular_file(ignored);
    if (wanted && !it->path().filename().string().starts_with('.')) found.push_back(it->path());
  }
  std::ranges::sort(found);
  return found;
}

/// "3x48x192".
std::optional<Shape> ParseDims(std::string_view text) {
  Shape shape;
  while (!text.empty()) {
    std::int64_t dim = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), dim);
    if (error != std::errc() || dim < 0 || !shape.TryAppend(dim)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    if (text.empty()) return shape;
    if (text[0] != 'x' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

}  // namespace

std::vector<fs::path> SampleFolders(const fs::path& folder) {
  std::vector<fs::path> found;
  if (!folder.empty()) found = EntriesOf(folder, true);
  if (found.size() > kSamplesMost) found.resize(kSamplesMost);
  return found;
}

std::vector<fs::path> FilesOf(const fs::path& sample) { return EntriesOf(sample, false); }

std::string SampleFileName(std::string input) {
  std::ranges::replace(input, '/', '_');
  return input;
}

std::optional<Shape> DimsInName(const fs::path& file, const std::string& input) {
  const std::string name = file.filename().string();
  const std::string stem = SampleFileName(input) + ".";
  if (!name.starts_with(stem)) return std::nullopt;
  return ParseDims(std::string_view(name).substr(stem.size()));
}

std::optional<fs::path> FindInputFile(const std::vector<fs::path>& files,
                                      const std::string& input) {
  const std::string wanted = SampleFileName(input);
  const auto found = std::ranges::find_if(files, [&](const fs::path& path) {
    return path.filename() == wanted || DimsInName(path, input);
  });
  return found == files.end() ? std::nullopt : std::optional(*found);
}

std::int64_t CountValues(DataType type, std::span<const std::byte> bytes) {
  if (type != DataType::kBytes) {
    const std::size_t size = std::max<std::size_t>(ElementSize(type), 1);
    return bytes.size() % size == 0 ? static_cast<std::int64_t>(bytes.size() / size) : -1;
  }
  std::int64_t count = 0;
  for (; !bytes.empty(); ++count) {
    std::uint32_t size = 0;
    if (bytes.size() < sizeof(size)) return -1;
    std::memcpy(&size, bytes.data(), sizeof(size));
    if (bytes.size() - sizeof(size) < size) return -1;
    bytes = bytes.subspan(sizeof(size) + size);
  }
  return count;
}

}  // namespace cotenant
