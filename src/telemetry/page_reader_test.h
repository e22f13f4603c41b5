#pragma once

/// Reads Prometheus' text format strictly, for tests: every sample belongs to a family named just
/// before it, no series comes twice, histograms never fall, and their last bucket is their count.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace cotenant {

class PageReader {
 public:
  explicit PageReader(const std::string& page) {
    EXPECT_TRUE(page.empty() || page.back() == '\n') << "the last line has no end";
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) ReadLine(line);
    CheckHistograms();
  }

  /// NaN when there is no such series. Labels as written: `a{b="c"}`.
  double Value(const std::string& series) const {
    const auto found = values_.find(series);
    return found == values_.end() ? std::nan("") : found->second;
  }
  bool Has(const std::string& series) const { return values_.contains(series); }
  const std::map<std::string, std::string>& types() const { return types_; }
  const std::map<std::string, double>& values() const { return values_; }

 private:
  void ReadLine(const std::string& line) {
    std::istringstream words(line);
    std::string word;
    if (line.starts_with("# HELP ")) {
      words >> word >> word >> word;
      EXPECT_TRUE(helped_.insert(word).second) << "named twice: " << line;
      return;
    }
    if (line.starts_with("# TYPE ")) {
      std::string type;
      words >> word >> word >> family_ >> type;
      EXPECT_TRUE(helped_.contains(family_)) << "no help: " << line;
      EXPECT_TRUE(types_.emplace(family_, type).second) << "typed twice: " << line;
      return;
    }
    ReadSample(line);
  }

  void ReadSample(const std::string& line) {
    const std::size_t name_end = line.find_first_of("{ ");
    ASSERT_NE(name_end, std::string::npos) << line;
    std::string name = line.substr(0, name_end);
    std::size_t at = name_end;
    std::vector<std::string> labels;
    std::string bound;
    ASSERT_TRUE(line[at] == ' ' || ReadLabels(line, at, labels, bound)) << line;
    ASSERT_EQ(line[at], ' ') << line;
    char* end = nullptr;
    const double value = std::strtod(line.c_str() + at + 1, &end);
    ASSERT_EQ(*end, '\0') << line;
    const std::string type = types_[family_];
    std::string_view rest = name;
    ASSERT_TRUE(rest.starts_with(family_)) << line;
    rest.remove_prefix(family_.size());
    const bool parts = type == "histogram" || type == "summary";
    EXPECT_TRUE(rest.empty() ? type != "histogram"
                             : parts && (rest == "_bucket" || rest == "_sum" || rest == "_count"))
        << line;
    EXPECT_TRUE(values_.emplace(line.substr(0, at), value).second) << "series twice: " << line;
    std::string key = family_;
    for (const std::string& label : labels) key += "|" + label;
    if (rest == "_bucket") buckets_[key].emplace_back(std::strtod(bound.c_str(), nullptr), value);
    if (rest == "_count" && type == "histogram") counts_[key] = value;
  }

  /// Leaves `at` behind the closing brace. The bound of a bucket is kept apart from the other
  /// labels.
  static bool ReadLabels(const std::string& line, std::size_t& at, std::vector<std::string>& labels,
                         std::string& bound) {
    while (line[at] == '{' || line[at] == ',') {
      const std::size_t equals = line.find("=\"", ++at);
      if (equals == std::string::npos) return false;
      const std::string name = line.substr(at, equals - at);
      std::string value;
      for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\' && ++at < line.size()) {
          if (line[at] != '\\' && line[at] != '"' && line[at] != 'n') return false;
          value += line[at] == 'n' ? '\n' : line[at];
        } else {
          value += line[at];
        }
      }
      if (at >= line.size()) return false;
      ++at;
      if (name == "le") {
        bound = value;
      } else {
        labels.push_back(name + "=" + value);
      }
    }
    return line[at++] == '}';
  }

  void CheckHistograms() const {
    for (const auto& [key, buckets] : buckets_) {
      for (std::size_t i = 1; i < buckets.size(); ++i) {
        EXPECT_LT(buckets[i - 1].first, buckets[i].first) << key;
        EXPECT_LE(buckets[i - 1].second, buckets[i].second) << key;
      }
      EXPECT_TRUE(std::isinf(buckets.back().first)) << key;
      ASSERT_TRUE(counts_.contains(key)) << key;
      EXPECT_EQ(buckets.back().second, counts_.at(key)) << key;
    }
  }

  std::string family_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> values_;
  std::map<std::string, std::vector<std::pair<double, double>>> buckets_;
  std::map<std::string, double> counts_;
};

}  // namespace cotenant
