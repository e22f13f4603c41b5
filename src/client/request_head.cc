#include "client/request_head.h"

#include <array>
#include <charconv>

#include "client/load_run.h"

namespace cotenant {
namespace {

void AppendNumber(std::int64_t number, std::string& text) {
  std::array<char, 24> digits;
  text.append(digits.data(), std::to_chars(digits.data(), digits.data() + 24, number).ptr);
}

/// Milliseconds to the nanosecond.
void AppendMilliseconds(Duration span, std::string& text) {
  AppendNumber(span.milliseconds(), text);
  const std::int64_t rest = span.nanoseconds() % 1'000'000;
  if (rest == 0) return;
  text += '.';
  const std::string digits = std::to_string(rest);
  text.append(6 - digits.size(), '0');
  text += digits;
}

}  // namespace

RequestHeads::RequestHeads(const Scenario& scenario, const ServerUrl& url, bool send_tenants,
                           bool send_bounds)
    : send_bounds_(send_bounds) {
  for (const ScenarioModel& model : scenario.models) {
    by_model_.push_back("POST " + url.prefix + "/v2/models/" + PercentEncoded(model.name) +
                        "/infer HTTP/1.1\r\nHost: " + url.authority +
                        "\r\nContent-Type: application/octet-stream\r\n");
  }
  for (const Tenant& tenant : scenario.node.tenants) {
    const bool named = send_tenants && tenant.name != "default";
    by_tenant_.push_back(named ? "X-Tenant: " + tenant.name + "\r\n" : "");
  }
}

std::string_view RequestHeads::Write(std::size_t model, std::size_t tenant, Duration bound,
                                     std::size_t json_size, std::size_t body_size) {
  text_ = by_model_[model];
  text_ += by_tenant_[tenant];
  if (send_bounds_ && bound > Duration()) {
    text_ += "X-Latency-Bound-Ms: ";
    AppendMilliseconds(bound, text_);
    text_ += "\r\n";
  }
  text_ += "Inference-Header-Content-Length: ";
  AppendNumber(static_cast<std::int64_t>(json_size), text_);
  text_ += "\r\nContent-Length: ";
  AppendNumber(static_cast<std::int64_t>(body_size), text_);
  text_ += "\r\n\r\n";
  return text_;
}

}  // namespace cotenant
