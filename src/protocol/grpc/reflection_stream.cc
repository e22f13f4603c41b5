#include "protocol/grpc/reflection_stream.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>

namespace cotenant {
namespace {

using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

/// Adds the file after all that it imports, each once.
void AddFile(const google::protobuf::FileDescriptor& file, std::set<std::string>& seen,
             ServerReflectionResponse& reply) {
  if (!seen.insert(file.name()).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), seen, reply);
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  reply.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
}

void SetFile(const google::protobuf::FileDescriptor* file, const std::string& asked,
             ServerReflectionResponse& reply) {
  if (file == nullptr) {
    reply.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
    reply.mutable_error_response()->set_error_message("'" + asked + "' is not found");
    return;
  }
  std::set<std::string> seen;
  AddFile(*file, seen, reply);
}

}  // namespace

ServerReflectionResponse Reflect(const ServerReflectionRequest& question) {
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  ServerReflectionResponse reply;
  reply.set_valid_host(question.host());
  *reply.mutable_original_request() = question;
  switch (question.message_request_case()) {
    case ServerReflectionRequest::kListServices: {
      auto& services = *reply.mutable_list_services_response();
      for (const char* const name :
           {inference::GRPCInferenceService::service_full_name(),
            grpc::health::v1::Health::service_full_name(),
            grpc::reflection::v1::ServerReflection::service_full_name(),
            grpc::reflection::v1alpha::ServerReflection::service_full_name()}) {
        services.add_service()->set_name(name);
      }
      break;
    }
    case ServerReflectionRequest::kFileByFilename:
      SetFile(pool.FindFileByName(question.file_by_filename()), question.file_by_filename(), reply);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      SetFile(pool.FindFileContainingSymbol(question.file_containing_symbol()),
              question.file_containing_symbol(), reply);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:  // None of the messages is extended.
      reply.mutable_all_extension_numbers_response()->set_base_type_name(
          question.all_extension_numbers_of_type());
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      SetFile(nullptr, question.file_containing_extension().containing_type(), reply);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      reply.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      reply.mutable_error_response()->set_error_message("the question has no message_request");
      break;
  }
  return reply;
}

}  // namespace cotenant
