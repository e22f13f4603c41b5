#include "protocol/http/page.h"

#include <cstdint>
#include <cstdio>
#include <string_view>

#include "protocol/server_facts.h"
#include "server/served_model.h"

namespace cotenant {
namespace {

constexpr std::string_view kBegin = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Cotenant</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ddd}
td.n,th.n{text-align:right}code,pre{background:#f4f4f4;padding:.1rem .3rem}
pre{padding:.6rem;overflow-x:auto}.bad{color:#a00}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#2a2a2a}
th,td{border-color:#444}.bad{color:#f88}}
</style></head><body><h1>Cotenant</h1>
)";

void AppendHtml(std::string_view text, std::string& out) {
  for (char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
}

void AppendCell(std::string_view text, bool number, std::string& out) {
  out += number ? "<td class=\"n\">" : "<td>";
  AppendHtml(text, out);
  out += "</td>";
}

std::string Milliseconds(const CountedTime& time) {
  if (time.count == 0) return "";
  char text[32];
  const double mean = static_cast<double>(time.nanoseconds) / static_cast<double>(time.count);
  std::snprintf(text, sizeof text, "%.3f", mean * 1e-6);
  return text;
}

std::string Rate(std::uint64_t count, Duration uptime) {
  char text[32];
  const double seconds = uptime.seconds() > 0 ? uptime.seconds() : 1;
  std::snprintf(text, sizeof text, "%.2f", static_cast<double>(count) / seconds);
  return text;
}

void AppendRow(const Node& node, const IndexRow& row, std::string& out) {
  out += "<tr>";
  AppendCell(row.name, false, out);
  AppendCell(row.version, false, out);
  const bool ready = row.known_state && row.state == ModelState::kReady;
  out += ready ? "<td>" : "<td class=\"bad\">";
  AppendHtml(row.known_state ? ModelStateName(row.state) : "not loaded", out);
  if (!row.reason.empty()) {
    out += ": ";
    AppendHtml(row.reason, out);
  }
  out += "</td>";
  ModelStatistics statistics;
  if (auto served = node.Find(row.name, row.version); ready && served.ok()) {
    statistics = (*served)->counters().Statistics();
  }
  AppendCell(std::to_string(statistics.success.count), true, out);
  AppendCell(std::to_string(statistics.fail.count), true, out);
  AppendCell(Rate(statistics.success.count, node.Uptime()), true, out);
  AppendCell(Milliseconds(statistics.compute_infer), true, out);
  AppendCell(Milliseconds(statistics.success), true, out);
  out += "</tr>\n";
}

}  // namespace

void WritePage(const Node& node, std::string& out) {
  out += kBegin;
  out += "<p>Version ";
  out += kServerVersion;
  out += node.Ready() ? ", ready" : ", <span class=\"bad\">not ready</span>";
  out += ", up " + std::to_string(node.Uptime().milliseconds() / 1000) + " s.</p>\n";
  out +=
      "<table><tr><th>Model</th><th>Version</th><th>State</th><th class=\"n\">Answered</th>"
      "<th class=\"n\">Failed</th><th class=\"n\">Per second since start</th>"
      "<th class=\"n\">Run, mean ms</th><th class=\"n\">Request, mean ms</th></tr>\n";
  for (const IndexRow& row : node.Index(false)) AppendRow(node, row, out);
  out +=
      "</table>\n<p>Ask it (this page's own address, Open Inference Protocol):</p>\n"
      "<pre>curl <span class=\"here\">http://HOST:PORT</span>/v2/models/MODEL\n"
      "curl -d '{\"inputs\":[{\"name\":\"NAME\",\"datatype\":\"FP32\",\"shape\":[1,4],"
      "\"data\":[1,2,3,4]}]}' \\\n  <span class=\"here\">http://HOST:PORT</span>"
      "/v2/models/MODEL/infer</pre>\n"
      "<p><a href=\"/v2\">server</a> · <a href=\"/v2/models/stats\">statistics</a> · "
      "<a href=\"/metrics\">metrics</a> · <a href=\"/cotenant/v1/tenants\">tenants</a> · "
      "<a href=\"/cotenant/v1/decisions\">decisions</a> · "
      "<a href=\"/cotenant/v1/memory\">memory</a></p>\n"
      "<script>for(const e of document.querySelectorAll('.here'))"
      "e.textContent=location.origin</script>\n</body></html>\n";
}

}  // namespace cotenant
