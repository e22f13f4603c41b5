#pragma once

/// The answers that need no run: health, metadata, configuration, statistics, index, metrics,
/// tenants, the page.
///
/// Stateless between requests; one per thread, for its reader's sake. Never blocks.

#include <cstddef>
#include <span>
#include <string>

#include "protocol/http/json_document.h"
#include "protocol/http/reply_writer.h"
#include "protocol/http/router.h"
#include "server/node.h"

namespace cotenant {

class Endpoints {
 public:
  Endpoints(Node& node, JsonDocument& document) : node_(node), document_(document) {}

  /// Sets the reply for any endpoint but infer, load and unload.
  void Answer(const Route& route, const HttpHead& head, std::span<const std::byte> body,
              const ReplyStyle& style, HttpReply& reply);

 private:
  void Json(int status, const ReplyStyle& style, HttpReply& reply);
  void Error(const Status& status, bool reads_body, const ReplyStyle& style, HttpReply& reply);
  Status Server();
  Status Model(const Route& route);
  Status ModelReady(const Route& route, int& status);
  Status Statistics(const Route& route);
  Status Index(const Route& route, std::span<const std::byte> body);
  void Tenants();

  Node& node_;
  JsonDocument& document_;
  std::string text_;
};

}  // namespace cotenant
