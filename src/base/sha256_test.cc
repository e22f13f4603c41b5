#include "base/sha256.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

std::string DigestOf(std::string_view text, std::size_t piece) {
  Sha256 hash;
  for (; text.size() > piece; text.remove_prefix(piece)) hash.Add(text.substr(0, piece));
  hash.Add(text);
  return hash.Finish();
}

TEST(Sha256, TheStandardsExamplesGiveTheStandardsDigests) {
  EXPECT_EQ(DigestOf("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(DigestOf("abc", 9), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(DigestOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 99),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(DigestOf(std::string(1'000'000, 'a'), 1'000'000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, HowTheBytesAreDividedChangesNothing) {
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string text(size, 'x');
    const std::string whole = DigestOf(text, 1000);
    for (const std::size_t piece : {1U, 3U, 55U, 63U, 64U, 65U}) {
      ASSERT_EQ(DigestOf(text, piece), whole) << size << " bytes by " << piece;
    }
  }
}

}  // namespace
}  // namespace cotenant
