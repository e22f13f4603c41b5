#pragma once

/// A model repository in a folder of its own, for tests: written, changed, and removed at the end.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/check.h"

namespace cotenant {

class TestRepository {
 public:
  TestRepository() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cotenant-XXXXXX").string();
    COTENANT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
  }
  ~TestRepository() {
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }
  TestRepository(const TestRepository&) = delete;
  TestRepository& operator=(const TestRepository&) = delete;

  const std::filesystem::path& root() const { return root_; }
  /// Replaces the file; makes the folders on the way.
  void Write(const std::string& path, std::string_view content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << content;
  }

 private:
  std::filesystem::path root_;
};

}  // namespace cotenant
