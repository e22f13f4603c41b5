#pragma once

/// What the sources of this folder need of ONNX Runtime's C API: its table, owners, and its errors
/// as ours. The C API and not the C++ wrapper, because the wrapper allocates on the path of a
/// request.

#include <onnxruntime_c_api.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/datatype.h"

namespace cotenant {

/// The table of functions; null when the library is older than the headers. Switches the library's
/// telemetry off before it is called at all.
const OrtApi* OrtTable();
/// The same, known to exist.
inline const OrtApi& Ort() {
  static const OrtApi& table = *OrtTable();
  return table;
}

struct OrtRelease {
  void operator()(OrtEnv* object) const { Ort().ReleaseEnv(object); }
  void operator()(OrtSession* object) const { Ort().ReleaseSession(object); }
  void operator()(OrtSessionOptions* object) const { Ort().ReleaseSessionOptions(object); }
  void operator()(OrtRunOptions* object) const { Ort().ReleaseRunOptions(object); }
  void operator()(OrtMemoryInfo* object) const { Ort().ReleaseMemoryInfo(object); }
  void operator()(OrtValue* object) const { Ort().ReleaseValue(object); }
  void operator()(OrtTypeInfo* object) const { Ort().ReleaseTypeInfo(object); }
  void operator()(OrtTensorTypeAndShapeInfo* object) const {
    Ort().ReleaseTensorTypeAndShapeInfo(object);
  }
  void operator()(OrtStatus* object) const { Ort().ReleaseStatus(object); }
};
template <typename T>
using OrtOwner = std::unique_ptr<T, OrtRelease>;

/// Takes a status of the library over and gives ours, its text behind `what`.
///
/// A kernel that fails while the network runs refuses its content: InvalidArgument, as for inputs
/// that do not fit the declaration and for files that are no networks. Memory: ResourceExhausted.
/// What the library cannot do: Unimplemented. All else: Internal.
Status FromOrt(OrtStatus* status, std::string_view what);

/// kInvalid for those that the protocol does not have.
DataType FromOrtType(ONNXTensorElementDataType type);
ONNXTensorElementDataType ToOrtType(DataType type);

}  // namespace cotenant

/// Returns from the calling function when a call of the C API failed.
#define COTENANT_RETURN_IF_ORT_ERROR(call, what)                                \
  do {                                                                          \
    if (OrtStatus* ort_status_ = (call); ort_status_ != nullptr) [[unlikely]] { \
      return ::cotenant::FromOrt(ort_status_, what);                            \
    }                                                                           \
  } while (false)
