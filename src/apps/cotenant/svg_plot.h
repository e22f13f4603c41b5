#pragma once

/// A line plot as an SVG file: a few series over one axis, with a legend; for papers and pages.
///
/// Plain text without scripts or fonts of its own. Blocks on the file.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace cotenant {

struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool dots_only = false;  ///< What others measured, beside our lines.
};

struct Plot {
  std::string title;
  std::string x;
  std::string y;
  std::vector<PlotSeries> series;
};

/// Both axes begin at zero. Without points: empty axes.
std::string SvgOf(const Plot& plot);
Status WritePlot(const std::string& folder, std::string_view name, const Plot& plot);

}  // namespace cotenant
