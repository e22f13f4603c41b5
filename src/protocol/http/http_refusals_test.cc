// Every error that a client can cause over HTTP before anything runs, with its text.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protocol/http/http_server_test.h"

namespace cotenant {
namespace {

std::string ErrorOf(const HttpClient::Answer& answer) {
  return nlohmann::json::parse(answer.body).value("error", "");
}

TEST_F(HttpServerTest, EveryRefusalHasItsStatusAndText) {
  HttpOptions options;
  options.body_max = Bytes(100'000);
  options.json_max = Bytes(50'000);
  options.elements_max = 8;
  options.tensors_max = 2;
  options.header_forward_pattern = "^latency";
  Begin(options);
  const auto input = [](std::string_view rest) {
    return R"({"inputs":[{"name":"x")" + std::string(rest) + "}]}";
  };
  const std::string x = R"({"name":"x","shape":[1],"datatype":"FP32","data":[1]})";
  const struct {
    std::string request;
    int status;
    std::string message;
  } kCases[] = {
      {Get("/nope"), 404, "there is no endpoint '/nope'"},
      {Get(kInfer), 405, "method not allowed; expected POST"},
      {Post("/v2", ""), 405, "method not allowed; expected GET, HEAD"},
      {Post("/v2/models/echo/generate", ""), 501, "the generate extension is not supported"},
      {Get("/v2/logging"), 501, "the logging extension is not supported"},
      {Get("/v2/trace/setting"), 501, "the trace extension is not supported"},
      {Post("/v2/systemsharedmemory/region/r/register", "{}"), 501,
       "shared memory is not supported"},
      {Get("/v2/models/nope"), 404, "Request for unknown model: 'nope' is not found"},
      {Post("/v2/models/nope/infer", kJson), 404, "Request for unknown model: 'nope' is not found"},
      {Post("/v2/repository/r/index", ""), 501, "'repository_name' specification is not supported"},
      {Post("/v2/repository/index", R"({"ready":3})"), 400, "'ready' must be true or false"},
      {Post("/v2/repository/models/m/load", R"({"parameters":{"config":1}})"), 400,
       "'parameters.config' must be a string"},
      {Post("/v2/repository/models/m/load", R"({"parameters":{"file:1/m":"?"}})"), 400,
       "'parameters.file:1/m' must be base64"},
      {Post(kInfer, "{x"), 400,
       "failed to parse the request JSON buffer: invalid JSON at offset 1"},
      {Post(kInfer, std::string(16'383, ' ') + "x"), 400,
       "failed to parse the request JSON buffer: invalid JSON at offset 16383"},
      {Post(kInfer, std::string(16'384, ' ') + "x"), 400,
       "failed to parse the request JSON buffer: invalid JSON behind offset 16384"},
      {Post(kInfer, ""), 400, "failed to parse the request JSON buffer: invalid JSON at offset 0"},
      {Post(kInfer, "[]"), 400, "the request must be a JSON object"},
      {Post(kInfer, std::string(20'000, '[') + std::string(20'000, ']')), 400,
       "failed to parse the request JSON buffer: nested deeper than 64 levels"},
      {Post(kInfer, std::string(60'000, ' ')), 413,
       "the JSON part of the body has 60000 bytes; at most 50000 are taken, send tensors as binary "
       "data"},
      {Post(kInfer, "{}"), 400, "'inputs' must be an array of tensors; it is missing"},
      {Post(kInfer, R"({"id":7,"inputs":[]})"), 400, "'id' must be a string"},
      {Post(kInfer, R"({"inputs":7})"), 400, "'inputs' must be an array of tensors"},
      {Post(kInfer, R"({"inputs":[7]})"), 400, "'inputs[0]' must be an object"},
      {Post(kInfer, R"({"inputs":[{}]})"), 400, "'inputs[0].name' must be a string"},
      {Post(kInfer, R"({"inputs":[)" + x + "," + x + "," + x + "]}"), 400,
       "'inputs' has more than 2 tensors"},
      {Post(kInfer, input("")), 400, "'inputs[0].shape' must be an array of whole numbers"},
      {Post(kInfer, input(R"(,"shape":[-1])")), 400,
       "'inputs[0].shape' must be an array of whole numbers"},
      {Post(kInfer, input(R"(,"shape":[1,1,1,1,1,1,1,1,1])")), 400,
       "'inputs[0].shape' has more than 8 dimensions"},
      {Post(kInfer, input(R"(,"shape":[1])")), 400, "'inputs[0].datatype' must be a string"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"F")")), 400,
       "'inputs[0].datatype' of input 'x' is 'F', which is no datatype of the protocol"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32")")), 400,
       "input 'x' has neither 'data' nor the parameter 'binary_data_size'; expected one of them"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","data":[1],"parameters":)"
                          R"({"binary_data_size":4})")),
       400, "input 'x' has both 'data' and the parameter 'binary_data_size'; expected one of them"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4})")),
       400, "input 'x': 'binary_data_size' is 4, but the body has only 0 bytes left"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","parameters":)"
                          R"({"shared_memory_region":"r"})")),
       501, "tensor 'x' is given by 'shared_memory_region', but shared memory is not supported"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","data":1)")), 400,
       "input 'x': 'data' must be an array"},
      {Post(kInfer, input(R"(,"shape":[2],"datatype":"FP32","data":[1])")), 400,
       "input 'x': 'data' has 1 elements, but shape [2] has 2"},
      {Post(kInfer, input(R"(,"shape":[4],"datatype":"FP32","data":[1,"a",3,4])")), 400,
       "input 'x': element 1 of 'data' must be a number that FP32 can hold"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP32","data":[1e39])")), 400,
       "input 'x': element 0 of 'data' must be a number that FP32 can hold"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"INT8","data":[128])")), 400,
       "input 'x': element 0 of 'data' must be a whole number from -128 to 127 (INT8)"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"BOOL","data":[1])")), 400,
       "input 'x': element 0 of 'data' must be true or false (BOOL)"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"BYTES","data":[1])")), 400,
       "input 'x': element 0 of 'data' must be a string (BYTES)"},
      {Post(kInfer, input(R"(,"shape":[1],"datatype":"FP16","data":[1])")), 400,
       "input 'x': datatype 'FP16' cannot be given in JSON; send it as binary data"},
      {Post(kInfer, input(R"(,"shape":[9],"datatype":"FP32","data":[1])")), 413,
       "input 'x' has 9 elements; at most 8 can be given in JSON, send it as binary data"},
      {Post(kInfer, input(R"(,"shape":[4294967296,4294967296],"datatype":"INT8","data":[1])")), 400,
       "input 'x': shape [4294967296,4294967296] has a negative or too large dimension"},
      {Post(kInfer, R"({"inputs":[],"outputs":7})"), 400, "'outputs' must be an array of tensors"},
      {Post(kInfer, R"({"inputs":[],"outputs":[{"name":"y","parameters":{"classification":-1}}]})"),
       400, "parameter 'classification' must be a whole number from 0 to 4294967295, not '-1'"},
      {Post(kInfer, R"({"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":"x"}}]})"),
       400, "parameter 'binary_data' must be true or false, not 'x'"},
      {Post(kInfer, R"({"inputs":[],"parameters":7})"), 400, "'parameters' must be an object"},
      {Post(kInfer, R"({"inputs":[],"parameters":{"a":[]}})"), 400,
       "parameter 'a' must be a string, a number or a boolean"},
      {Post(kInfer, R"({"inputs":[],"parameters":{"triton_a":1}})"), 400,
       "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
       "specified."},
      {Post(kInfer, kJson, "latency_bound_ms: x\r\n"), 400,
       "parameter 'latency_bound_ms' must be a number of milliseconds above 0 and at most "
       "1000000000, not 'x'"},
      {Post(kInfer, kJson, "X-Tenant: nobody\r\n"), 400, "the tenant 'nobody' is not declared"},
      {Post(kInfer, kJson, "X-Variant: int4\r\n"), 400,
       "model 'echo' has no variant 'int4'; it has default"},
      {Post(kInfer, kJson, "X-Accuracy-Bound: 101\r\n"), 400,
       "parameter 'accuracy_bound' must be a number of points from 0 to 100, not '101'"},
      {Post(kInfer, kJson, "X-Accuracy-Bound: 90.5\r\n"), 400,
       "'accuracy_bound' of 90.5 cannot be met: the accuracy of model 'echo' is not known"},
      {Post(kInfer, kJson + "xx",
            "Inference-Header-Content-Length: " + std::to_string(kJson.size()) + "\r\n"),
       400,
       "unexpected additional input data for model 'echo': 2 bytes behind the last binary input"},
      {Post(kInfer, kJson, "Inference-Header-Content-Length: 999\r\n"), 400,
       "Inference-Header-Content-Length is 999, but the body has only " +
           std::to_string(kJson.size()) + " bytes"},
      {Post(kInfer, "abc", "Inference-Header-Content-Length: 0\r\n"), 400,
       "input 'x': the body has 3 bytes, which are no whole number of FP32 elements"},
      {Post(kInfer, "abc", "Content-Encoding: gzip\r\n"), 400, "the body is not valid gzip"},
      {Post(kInfer, std::string(100'001, ' ')), 413,
       "the body has 100001 bytes; at most 100000 are taken"},
      {"POST " + kInfer + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
       "malformed chunk in the body"},
      {"GET / HTTP/1.1\r\nA: " + std::string(17'000, 'a') + "\r\n\r\n", 431,
       "the head is larger than 16384 bytes"},
      {"GET / HTTP/9.9\r\n\r\n", 505, "HTTP version not supported; expected HTTP/1.0 or HTTP/1.1"},
  };
  for (const auto& row : kCases) {
    HttpClient client(port_);
    const auto answer = client.Ask(row.request);
    EXPECT_EQ(answer.status, row.status) << row.request.substr(0, 300);
    ASSERT_FALSE(answer.body.empty()) << row.request.substr(0, 300);
    EXPECT_EQ(ErrorOf(answer), row.message) << row.request.substr(0, 300);
  }
}

}  // namespace
}  // namespace cotenant
