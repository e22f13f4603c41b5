#include "apps/cotenant/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "config/run_result_file.h"

namespace cotenant {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 420;
constexpr double kLeft = 64;
constexpr double kRight = 170;
constexpr double kTop = 40;
constexpr double kBottom = 52;
constexpr int kTicks = 5;
/// Told apart by people who see colours differently, too (Okabe and Ito).
constexpr std::array<const char*, 8> kColours = {"#d55e00", "#0072b2", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000", "#999999"};

std::string Number(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.5g", value);
  return text.data();
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// The next 1, 2 or 5 with zeroes.
double RoundUp(double value) {
  if (value <= 0) return 1;
  const double unit = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (value <= factor * unit) return factor * unit;
  }
  return 10 * unit;
}

class Axes {
 public:
  explicit Axes(const Plot& plot) {
    for (const PlotSeries& series : plot.series) {
      for (const auto& [x, y] : series.points) {
        x_most_ = std::max(x_most_, x);
        y_most_ = std::max(y_most_, y);
      }
    }
    x_step_ = RoundUp(x_most_ / kTicks);
    y_step_ = RoundUp(y_most_ / kTicks);
    x_most_ = std::max(x_step_, x_step_ * std::ceil(x_most_ / x_step_));
    y_most_ = std::max(y_step_, y_step_ * std::ceil(y_most_ / y_step_));
  }
  double X(double value) const { return kLeft + (kWidth - kLeft - kRight) * value / x_most_; }
  double Y(double value) const {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * value / y_most_;
  }

  std::string Drawn() const {
    std::string svg;
    for (double x = 0; x <= x_most_ * 1.0001; x += x_step_) {
      svg += Text(X(x), kHeight - kBottom + 18, "middle", Number(x));
    }
    for (double y = 0; y <= y_most_ * 1.0001; y += y_step_) {
      svg += Text(kLeft - 8, Y(y) + 4, "end", Number(y));
      svg += "<path d=\"M" + Number(kLeft) + " " + Number(Y(y)) + "H" + Number(kWidth - kRight) +
             "\" stroke=\"#ddd\"/>\n";
    }
    return svg;
  }

  static std::string Text(double x, double y, const char* anchor, const std::string& text) {
    return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" text-anchor=\"" + anchor + "\">" +
           Escaped(text) + "</text>\n";
  }

 private:
  double x_most_ = 0;
  double y_most_ = 0;
  double x_step_ = 1;
  double y_step_ = 1;
};

std::string Dot(double x, double y, const char* colour, bool hollow) {
  return "<circle cx=\"" + Number(x) + "\" cy=\"" + Number(y) + "\" r=\"" + (hollow ? "5" : "3") +
         "\" stroke=\"" + colour + "\" stroke-width=\"2\" fill=\"" + (hollow ? "none" : colour) +
         "\"/>\n";
}

}  // namespace

std::string SvgOf(const Plot& plot) {
  const Axes axes(plot);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + Number(kWidth) +
                    " " + Number(kHeight) +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  svg += Axes::Text(kLeft, 22, "start", plot.title) + axes.Drawn();
  svg += Axes::Text((kLeft + kWidth - kRight) / 2, kHeight - 14, "middle", plot.x);
  svg += "<g transform=\"rotate(-90 16 " + Number(kHeight / 2) + ")\">" +
         Axes::Text(16, kHeight / 2, "middle", plot.y) + "</g>\n";
  double legend = kTop + 10;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const PlotSeries& series = plot.series[i];
    const char* colour = kColours[i % kColours.size()];
    std::string path;
    for (const auto& [x, y] : series.points) {
      path += (path.empty() ? "M" : "L") + Number(axes.X(x)) + " " + Number(axes.Y(y));
      svg += Dot(axes.X(x), axes.Y(y), colour, series.dots_only);
    }
    if (!series.dots_only && !path.empty()) {
      svg +=
          "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"2\"/>\n";
    }
    svg += Dot(kWidth - kRight + 16, legend - 4, colour, series.dots_only);
    svg += Axes::Text(kWidth - kRight + 28, legend, "start", series.name);
    legend += 18;
  }
  return svg + "</svg>\n";
}

Status WritePlot(const std::string& folder, std::string_view name, const Plot& plot) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Unavailable(folder + ": " + error.message());
  return WriteTextFile(folder + "/" + std::string(name) + ".svg", SvgOf(plot));
}

}  // namespace cotenant
