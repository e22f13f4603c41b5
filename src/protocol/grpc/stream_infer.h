#pragma once

/// One ModelStreamInfer call: several requests in flight, their replies in the order of the
/// requests, as Triton sends those of models that answer once. A request that fails is answered by
/// `error_message`, and the stream stays open.
///
/// Reads and tags belong to the thread of the call's queue; replies are completed on any thread and
/// written from there when it is their turn, under the stream's own lock. The object owns itself:
/// it ends when the client is done and every request is answered, or when the client goes away.

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/infer_message.h"
#include "protocol/grpc/tag.h"
#include "server/infer_call.h"

namespace cotenant {

class CompletionThread;

class StreamInfer {
 public:
  /// Waits for a stream on the thread's queue; each stream that arrives makes its successor.
  static void Arm(GrpcContext& context, CompletionThread& thread);

 private:
  class Item;

  StreamInfer(GrpcContext& context, CompletionThread& thread);
  ~StreamInfer();

  void Arrived(bool ok);
  void Read(bool ok);
  void Wrote(bool ok);
  void ClientDone(bool ok);
  void Finished(bool ok);

  void ReadNext();
  /// Any thread: the item's reply is built.
  void ReplyReady(Item& item);
  /// Under the lock: writes the oldest reply if it is built and nothing is being written.
  void WriteIfReady();
  void FinishIfDone();
  void TagReturned();
  std::unique_ptr<Item> TakeItem();

  GrpcContext& context_;
  CompletionThread& thread_;
  grpc::ServerContext rpc_;
  grpc::ServerAsyncReaderWriter<inference::ModelStreamInferResponse, inference::ModelInferRequest>
      stream_;
  std::unique_ptr<Item> reading_;              ///< Set while a read is under way.
  std::vector<std::unique_ptr<Item>> unused_;  ///< Kept for the next requests.
  bool reads_done_ = false;
  bool finishing_ = false;
  int tags_out_ = 2;  ///< Of `client_done_` and `finished_`.

  std::mutex mutex_;
  std::deque<std::unique_ptr<Item>> items_;  ///< Oldest first; the mutex's.
  bool writing_ = false;                     ///< The mutex's.

  Tag arrived_ = TagOf<StreamInfer, &StreamInfer::Arrived>(this);
  Tag read_ = TagOf<StreamInfer, &StreamInfer::Read>(this);
  Tag wrote_ = TagOf<StreamInfer, &StreamInfer::Wrote>(this);
  Tag client_done_ = TagOf<StreamInfer, &StreamInfer::ClientDone>(this);
  Tag finished_ = TagOf<StreamInfer, &StreamInfer::Finished>(this);
};

}  // namespace cotenant
