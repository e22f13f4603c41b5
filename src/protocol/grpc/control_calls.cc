#include "protocol/grpc/control_calls.h"

#include <string_view>

#include "protocol/grpc/control_call.h"
#include "protocol/server_facts.h"

namespace cotenant {
namespace {

using Inference = inference::GRPCInferenceService::AsyncService;

/// The method's request types follow from the generated `Request…` function.
template <typename Base, typename Request, typename Reply>
using WaitOf = void (Base::*)(grpc::ServerContext*, Request*,
                              grpc::ServerAsyncResponseWriter<Reply>*, grpc::CompletionQueue*,
                              grpc::ServerCompletionQueue*, void*);

class Arming {
 public:
  Arming(GrpcContext& context, Answers& answers, CompletionThread& thread)
      : context_(context), answers_(answers), thread_(thread) {}

  /// A call that `Answers` answers at once.
  template <typename Base, typename Request, typename Reply>
  void AtOnce(WaitOf<Base, Request, Reply> wait,
              Status (Answers::*answer)(const Request&, Reply&)) {
    Answers& answers = answers_;
    ControlCall<Inference, Request, Reply>::Arm(
        context_, context_.inference, thread_, wait,
        [&answers, answer](const Request& request, Reply& reply, const Answers::Finish& finish) {
          finish((answers.*answer)(request, reply));
        });
  }

  /// A call that ends later.
  template <typename Base, typename Request, typename Reply>
  void Later(WaitOf<Base, Request, Reply> wait,
             void (Answers::*answer)(const Request&, Answers::Finish)) {
    Answers& answers = answers_;
    ControlCall<Inference, Request, Reply>::Arm(
        context_, context_.inference, thread_, wait,
        [&answers, answer](const Request& request, Reply&, Answers::Finish finish) {
          (answers.*answer)(request, std::move(finish));
        });
  }

  /// A call of a feature that is not there. `status` is ok for calls that list what there is:
  /// nothing.
  template <typename Base, typename Request, typename Reply>
  void Always(WaitOf<Base, Request, Reply> wait, Status status) {
    ControlCall<Inference, Request, Reply>::Arm(
        context_, context_.inference, thread_, wait,
        [status = std::move(status)](const Request&, Reply&, const Answers::Finish& finish) {
          finish(status);
        });
  }

 private:
  GrpcContext& context_;
  Answers& answers_;
  CompletionThread& thread_;
};

}  // namespace

void ArmControlCalls(GrpcContext& context, Answers& answers, CompletionThread& thread) {
  Arming arm(context, answers, thread);
  arm.AtOnce(&Inference::RequestServerLive, &Answers::ServerLive);
  arm.AtOnce(&Inference::RequestServerReady, &Answers::ServerReady);
  arm.AtOnce(&Inference::RequestModelReady, &Answers::ModelReady);
  arm.AtOnce(&Inference::RequestServerMetadata, &Answers::ServerMetadata);
  arm.AtOnce(&Inference::RequestModelMetadata, &Answers::ModelMetadata);
  arm.AtOnce(&Inference::RequestModelConfig, &Answers::ModelConfig);
  arm.AtOnce(&Inference::RequestModelStatistics, &Answers::ModelStatistics);
  arm.AtOnce(&Inference::RequestRepositoryIndex, &Answers::RepositoryIndex);
  arm.Later(&Inference::RequestRepositoryModelLoad, &Answers::RepositoryModelLoad);
  arm.Later(&Inference::RequestRepositoryModelUnload, &Answers::RepositoryModelUnload);

  const Status system = NotSupported("system shared memory");
  const Status cuda = NotSupported("CUDA shared memory");
  arm.Always(&Inference::RequestSystemSharedMemoryStatus, Status());
  arm.Always(&Inference::RequestSystemSharedMemoryRegister, system);
  arm.Always(&Inference::RequestSystemSharedMemoryUnregister, system);
  arm.Always(&Inference::RequestCudaSharedMemoryStatus, Status());
  arm.Always(&Inference::RequestCudaSharedMemoryRegister, cuda);
  arm.Always(&Inference::RequestCudaSharedMemoryUnregister, cuda);
  arm.Always(&Inference::RequestTraceSetting, NotSupported("the trace extension"));
  arm.Always(&Inference::RequestLogSettings, NotSupported("the logging extension"));
}

}  // namespace cotenant
