#pragma once

/// What the calls other than inference answer. Any thread.
///
/// Most answer at once. A load or unload ends later, on the node's load thread, or when the server
/// stops, whichever comes first; each `Finish` is called exactly once.

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "grpc_service.pb.h"
#include "server/node.h"

namespace cotenant {

class Answers {
 public:
  using Finish = std::function<void(const Status&)>;

  explicit Answers(Node& node) : node_(node) {}

  Status ServerLive(const inference::ServerLiveRequest&, inference::ServerLiveResponse& reply);
  Status ServerReady(const inference::ServerReadyRequest&, inference::ServerReadyResponse& reply);
  Status ModelReady(const inference::ModelReadyRequest& request,
                    inference::ModelReadyResponse& reply);
  Status ServerMetadata(const inference::ServerMetadataRequest&,
                        inference::ServerMetadataResponse& reply);
  Status ModelMetadata(const inference::ModelMetadataRequest& request,
                       inference::ModelMetadataResponse& reply);
  Status ModelConfig(const inference::ModelConfigRequest& request,
                     inference::ModelConfigResponse& reply);
  Status ModelStatistics(const inference::ModelStatisticsRequest& request,
                         inference::ModelStatisticsResponse& reply);
  Status RepositoryIndex(const inference::RepositoryIndexRequest& request,
                         inference::RepositoryIndexResponse& reply);
  void RepositoryModelLoad(const inference::RepositoryModelLoadRequest& request, Finish finish);
  void RepositoryModelUnload(const inference::RepositoryModelUnloadRequest& request, Finish finish);

  /// Answers the loads and unloads that still run with Unavailable, now and from now on, so that
  /// the server can stop.
  void GiveUpPending();

 private:
  class Pending;
  std::shared_ptr<Pending> AddPending(Finish finish);

  Node& node_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Pending>> pending_;
  bool closed_ = false;  ///< Nothing is to be pending any more.
};

}  // namespace cotenant
