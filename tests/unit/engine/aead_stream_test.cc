// ChaCha20-Poly1305 at each level of the CPU's vector units, whatever this one has: which messages are the default
// implementation's, and that all have its bytes and its tags.
#include "drivers/engine/aead_stream.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>

namespace sluice {
namespace {

using Buffer = std::vector<uint8_t>;
using Stream = std::unique_ptr<AeadStream>;

class Levels : public testing::TestWithParam<VectorLevel> {
 protected:
  void SetUp() override {
    if (GetParam() < vector_level()) GTEST_SKIP() << "this CPU has no such vectors";
    stream_ = make();
    if (!stream_) GTEST_SKIP() << "this CPU has no AES-NI";
  }
  static Stream make() { return make_aead_stream(AeadKind::chacha20_poly1305, 32, GetParam()); }
  Buffer bytes(size_t n) {
    Buffer out(n);
    for (uint8_t& b : out) b = static_cast<uint8_t>(random_());
    return out;
  }
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }

  std::mt19937_64 random_{41};
  Stream stream_;
};

struct Sealed {
  Buffer text, tag;
  bool operator==(const Sealed&) const = default;
};

Sealed by_openssl(const Buffer& key, const Buffer& iv, const Buffer& aad, const Buffer& text) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Sealed out{Buffer(text.size() + 1), Buffer(16)};
  int n = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key.data(), iv.data()), 1);
  if (!aad.empty()) EVP_EncryptUpdate(context, nullptr, &n, aad.data(), static_cast<int>(aad.size()));
  if (!text.empty()) EVP_EncryptUpdate(context, out.text.data(), &n, text.data(), static_cast<int>(text.size()));
  EXPECT_EQ(EVP_EncryptFinal_ex(context, out.text.data() + text.size(), &n), 1);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.tag.data());
  EVP_CIPHER_CTX_free(context);
  out.text.resize(text.size());
  return out;
}

// In place, cut into pieces of which the first is given.
void run(AeadStream& stream, bool encrypt, Buffer& text, size_t first, size_t pieces) {
  size_t at = 0;
  for (size_t i = 0; i < pieces && at < text.size(); ++i) {
    const size_t left = text.size() - at;
    const size_t n = i == 0 ? std::min(first, left) : i + 1 == pieces ? left : left / 2;
    ASSERT_TRUE(stream.update(encrypt, text.data() + at, text.data() + at, n));
    at += n;
  }
  ASSERT_TRUE(stream.update(encrypt, text.data() + at, text.data() + at, text.size() - at));
}

TEST_P(Levels, Have_the_default_s_bytes_and_tags_for_every_first_piece) {
  Buffer key = bytes(32);
  for (size_t size = 0; size < 1400; size += 1 + below(23)) {
    if (below(3) == 0) key = bytes(32);
    const Buffer iv = bytes(12), aad = bytes(below(5) == 0 ? 70000 : below(40)), text = bytes(size * (1 + below(9)));
    const Sealed expected = by_openssl(key, iv, aad, text);
    ASSERT_TRUE(stream_->set_key(key));
    stream_->set_iv(iv);
    ASSERT_TRUE(stream_->add_aad(true, aad));
    Sealed sealed{text, Buffer(16)};
    run(*stream_, true, sealed.text, size, 1 + below(4));
    stream_->finish(true, sealed.tag);
    ASSERT_EQ(sealed, expected) << size << " of " << text.size();
    const size_t tag_bytes = below(2) == 0 ? 16 : 4 + below(12);
    for (const bool forged : {false, true}) {
      stream_->set_iv(iv);
      ASSERT_TRUE(stream_->add_aad(false, aad));
      Buffer opened = sealed.text, tag(sealed.tag.begin(), sealed.tag.begin() + static_cast<ptrdiff_t>(tag_bytes));
      if (forged) tag[below(tag_bytes)] ^= 0x20;
      const Buffer came = tag;
      tag.resize(16);
      run(*stream_, false, opened, size, 1 + below(4));
      stream_->finish(false, {tag.data(), tag_bytes});
      ASSERT_EQ(opened, text);
      ASSERT_EQ(std::equal(came.begin(), came.end(), tag.begin()), !forged) << size << " of " << text.size();
    }
  }
}

TEST_P(Levels, Give_long_messages_to_the_default_where_it_is_faster_and_short_ones_never) {
  ASSERT_TRUE(stream_->set_key(bytes(32)));
  const bool ours_is_fast = GetParam() == VectorLevel::avx512;
  for (const size_t size : {size_t{16}, size_t{192}, size_t{449}, size_t{1024}, size_t{65536}}) {
    stream_->set_iv(bytes(12));
    Buffer text = bytes(size);
    ASSERT_TRUE(stream_->update(true, text.data(), text.data(), size));
    EXPECT_EQ(stream_->is_handed_over(), !ours_is_fast && size > 192) << size;
  }
  stream_->set_iv(bytes(12));
  EXPECT_FALSE(stream_->is_handed_over());
}

TEST_P(Levels, Go_on_from_a_copy_and_do_not_take_an_old_key_along) {
  const Buffer iv = bytes(12), text = bytes(5000), aad = bytes(13);
  for (const size_t first : {size_t{10}, size_t{2000}}) {
    const Buffer key = bytes(32);
    const Sealed expected = by_openssl(key, iv, aad, text);
    ASSERT_TRUE(stream_->set_key(key));
    stream_->set_iv(iv);
    ASSERT_TRUE(stream_->add_aad(true, aad));
    Buffer begin(text.begin(), text.begin() + static_cast<ptrdiff_t>(first));
    ASSERT_TRUE(stream_->update(true, begin.data(), begin.data(), first));
    const Stream twin = stream_->clone();
    // The one that was copied has another key and another message meanwhile.
    ASSERT_TRUE(stream_->set_key(bytes(32)));
    stream_->set_iv(iv);
    Buffer other = text, rest(text.begin() + static_cast<ptrdiff_t>(first), text.end()), tag(16);
    ASSERT_TRUE(stream_->update(true, other.data(), other.data(), other.size()));
    EXPECT_NE(other, expected.text);
    ASSERT_TRUE(twin->update(true, rest.data(), rest.data(), rest.size()));
    begin.insert(begin.end(), rest.begin(), rest.end());
    twin->finish(true, tag);
    EXPECT_EQ((Sealed{begin, tag}), expected) << first;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Levels, testing::Values(VectorLevel::avx512, VectorLevel::avx2, VectorLevel::portable),
                         [](const auto& made) {
                           return made.param == VectorLevel::avx512 ? "avx512"
                                  : made.param == VectorLevel::avx2 ? "avx2"
                                                                    : "portable";
                         });

}  // namespace
}  // namespace sluice
