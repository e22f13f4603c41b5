#include "protocol/grpc/stream_infer.h"

#include <gtest/gtest.h>

#include "protocol/grpc/test_server.h"

namespace cotenant {
namespace {

TEST_F(GrpcTest, StreamRepliesComeInTheOrderOfTheRequests) {
  Start();
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  constexpr int kRequests = 500;
  std::thread writer([&] {
    for (int i = 0; i < kRequests; ++i) {
      auto request = AskEcho(static_cast<float>(i));
      request.set_id(std::to_string(i));
      ASSERT_TRUE(stream->Write(request));
    }
    stream->WritesDone();
  });
  for (int i = 0; i < kRequests; ++i) {
    inference::ModelStreamInferResponse reply;
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.error_message(), "");
    EXPECT_EQ(reply.infer_response().id(), std::to_string(i));
    EXPECT_EQ(Floats(reply.infer_response().raw_output_contents(0))[0], static_cast<float>(i));
    EXPECT_TRUE(reply.infer_response().parameters().at("triton_final_response").bool_param());
  }
  writer.join();
  inference::ModelStreamInferResponse none;
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcTest, SeveralRequestsOfAStreamRunAtTheSameTime) {
  StartOnWorkers();
  gate_.Close();
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  ASSERT_TRUE(stream->Write(AskEcho(1)) && stream->Write(AskEcho(2)));
  gate_.AwaitWaiting(2);
  gate_.Open();
  inference::ModelStreamInferResponse reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(Floats(reply.infer_response().raw_output_contents(0))[0], 1);
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(Floats(reply.infer_response().raw_output_contents(0))[0], 2);
}

TEST_F(GrpcTest, AnErrorIsAnAnswerAndTheStreamStaysOpen) {
  Start();
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  auto wrong = AskEcho();
  wrong.set_id("w");
  wrong.set_model_name("nope");
  ASSERT_TRUE(stream->Write(wrong) && stream->Write(AskEcho()));
  inference::ModelStreamInferResponse reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.error_message(), "Request for unknown model: 'nope' is not found");
  EXPECT_EQ(reply.infer_response().id(), "w");
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.error_message(), "");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcTest, AStreamReadsNoMoreThanItsLimitAhead) {
  grpc_.stream_requests_max = 2;
  StartOnWorkers();
  gate_.Close();
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(stream->Write(AskEcho(static_cast<float>(i))));
  gate_.AwaitWaiting(2);
  EXPECT_EQ(node_->Ends().accepted, 2u);
  gate_.Open();
  inference::ModelStreamInferResponse reply;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(Floats(reply.infer_response().raw_output_contents(0))[0], static_cast<float>(i));
  }
}

TEST_F(GrpcTest, AStreamThatIsCancelledCancelsItsRequests) {
  StartOnWorkers();
  gate_.Close();
  grpc::ClientContext context;
  const auto stream = stub_->ModelStreamInfer(&context);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream->Write(AskEcho()));
  gate_.AwaitWaiting(2);
  while (node_->Ends().accepted < 4) std::this_thread::yield();
  context.TryCancel();
  while (node_->Ends().cancelled < 4) std::this_thread::yield();
  gate_.Open();
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

}  // namespace
}  // namespace cotenant
