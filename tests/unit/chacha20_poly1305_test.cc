// Our chacha20, Poly1305 and their AEAD, in the code for every CPU that this one can play: the answers of RFC 8439, and
// OpenSSL's for every short length and many chunkings.
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <random>
#include <vector>

#include "drivers/chacha20_poly1305.h"

namespace sluice::test {
namespace {

using Buffer = std::vector<uint8_t>;

Buffer from_hex(std::string_view text) {
  Buffer out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  return out;
}

Buffer counted(size_t n, unsigned first) {
  Buffer out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<uint8_t>(first + i);
  return out;
}

const char* name_of(VectorLevel level) {
  return level == VectorLevel::avx512 ? "avx512" : level == VectorLevel::avx2 ? "avx2" : "portable";
}

class ChachaPolyOnEveryLevel : public testing::TestWithParam<VectorLevel> {
 protected:
  void SetUp() override {
    if (level() < vector_level()) GTEST_SKIP() << "this CPU has no " << name_of(level());
    ASSERT_NE(cipher_, nullptr);
  }
  ~ChachaPolyOnEveryLevel() override {
    EVP_CIPHER_free(cipher_);
    EVP_MAC_free(mac_);
  }
  VectorLevel level() const { return GetParam(); }
  Buffer bytes(size_t n) {
    Buffer out(n);
    for (uint8_t& b : out) b = static_cast<uint8_t>(random_());
    return out;
  }
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }

  Buffer tag_of(const Buffer& key, Bytes text, size_t most_of_a_piece) {
    Poly1305 poly(level());
    poly.start(key.data());
    for (size_t at = 0; at < text.size();) {
      const size_t piece = std::min(text.size() - at, 1 + below(most_of_a_piece));
      poly.update(text.data() + at, piece);
      at += piece;
    }
    Buffer tag(16);
    poly.finish(tag.data());
    return tag;
  }
  Buffer expected_tag_of(const Buffer& key, Bytes text) {
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac_);
    Buffer tag(16);
    size_t n = 0;
    EXPECT_TRUE(EVP_MAC_init(context, key.data(), key.size(), nullptr) == 1 &&
                EVP_MAC_update(context, text.data(), text.size()) == 1 &&
                EVP_MAC_final(context, tag.data(), &n, tag.size()) == 1);
    EVP_MAC_CTX_free(context);
    return tag;
  }
  // Ciphertext and tag.
  Buffer expected_sealed(const Buffer& key, const Buffer& nonce, const Buffer& aad, const Buffer& text) {
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    Buffer out(text.size() + 16);
    int n = 0;
    EXPECT_TRUE(
        EVP_EncryptInit_ex2(context, cipher_, key.data(), nonce.data(), nullptr) == 1 &&
        (aad.empty() || EVP_EncryptUpdate(context, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1) &&
        EVP_EncryptUpdate(context, out.data(), &n, out.data() + 16, 0) == 1 &&
        (text.empty() || EVP_EncryptUpdate(context, out.data(), &n, text.data(), static_cast<int>(text.size())) == 1) &&
        EVP_EncryptFinal_ex(context, out.data(), &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.data() + text.size()) == 1);
    EVP_CIPHER_CTX_free(context);
    return out;
  }
  // In pieces, in place or not.
  void run(ChachaPoly& aead, bool seal, uint8_t* dst, const Buffer& text, size_t most_of_a_piece) {
    for (size_t at = 0; at < text.size();) {
      const size_t piece = std::min(text.size() - at, 1 + below(most_of_a_piece));
      const uint8_t* src = text.data() + at;
      if (below(2) == 0) src = static_cast<const uint8_t*>(std::memcpy(dst + at, src, piece));
      seal ? aead.seal(dst + at, src, piece) : aead.open(dst + at, src, piece);
      at += piece;
    }
  }
  Buffer sealed(ChachaPoly& aead, const Buffer& key, const Buffer& nonce, const Buffer& aad, const Buffer& text,
                size_t most_of_a_piece) {
    Buffer out(text.size() + 16);
    aead.start(key.data(), nonce.data(), aad);
    run(aead, true, out.data(), text, most_of_a_piece);
    aead.finish(out.data() + text.size());
    return out;
  }
  void expect_same(ChachaPoly& aead, size_t aad_bytes, size_t text_bytes, size_t most_of_a_piece) {
    const Buffer key = bytes(32), nonce = bytes(12), aad = bytes(aad_bytes), text = bytes(text_bytes);
    const Buffer expected = expected_sealed(key, nonce, aad, text);
    ASSERT_EQ(sealed(aead, key, nonce, aad, text, most_of_a_piece), expected) << aad_bytes << " " << text_bytes;
    Buffer back(text_bytes), tag(16);
    aead.start(key.data(), nonce.data(), aad);
    run(aead, false, back.data(), Buffer(expected.begin(), expected.end() - 16), most_of_a_piece);
    aead.finish(tag.data());
    ASSERT_EQ(back, text);
    ASSERT_EQ(tag, Buffer(expected.end() - 16, expected.end()));
  }

  std::mt19937_64 random_{41};
  EVP_CIPHER* cipher_ = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", "provider=default");
  EVP_MAC* mac_ = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
};

// Section 2.4.2's block function, by section 2.3.2.
TEST_P(ChachaPolyOnEveryLevel, Chacha20_gives_the_block_of_the_rfc) {
  const Buffer key = counted(32, 0), nonce = from_hex("000000090000004a00000000");
  const auto runs = chacha_runs(level());
  for (const ChachaRun& run : {runs.one, runs.many}) {
    Buffer out(run.bytes);
    run.function(chacha_state(key.data(), 1, nonce.data()), out.data(), out.data());
    out.resize(64);
    EXPECT_EQ(out, from_hex("10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
                            "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"));
  }
}

// A run is its blocks one after the other, whatever its width and wherever the counter begins.
TEST_P(ChachaPolyOnEveryLevel, Chacha20_counts_from_block_to_block_in_32_bits) {
  const Buffer key = bytes(32), nonce = bytes(12);
  const auto runs = chacha_runs(level());
  for (const uint32_t first : {0u, 1u, 77u, 0xfffffff0u, 0xffffffffu}) {
    Buffer all(runs.many.bytes);
    runs.many.function(chacha_state(key.data(), first, nonce.data()), all.data(), all.data());
    for (uint32_t block = 0; block < all.size() / kChachaBlockBytes; ++block) {
      Buffer one(runs.one.bytes);
      runs.one.function(chacha_state(key.data(), first + block, nonce.data()), one.data(), one.data());
      ASSERT_TRUE(std::equal(one.begin(), one.begin() + 64, all.begin() + block * 64)) << first << " " << block;
    }
  }
}

// Section 2.5.2, and of appendix A.3 the cases that make carries come and go.
TEST_P(ChachaPolyOnEveryLevel, Poly1305_gives_the_tags_of_the_rfc) {
  const auto message = bytes_of("Cryptographic Forum Research Group");
  EXPECT_EQ(tag_of(from_hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"), message, 64),
            from_hex("a8061dc1305136c6c22b8baf0c0127a9"));
  struct Case {
    const char *key, *text, *tag;
  };
  const std::string ones = "ffffffffffffffffffffffffffffffff", zeros = "00000000000000000000000000000000";
  const std::string two = "02000000000000000000000000000000", one = "01000000000000000000000000000000";
  const auto tag = [&](const std::string& r, const std::string& s, const std::string& text) {
    return tag_of(from_hex(r + s), from_hex(text), 64);
  };
  EXPECT_EQ(tag(two, zeros, ones), from_hex("03000000000000000000000000000000"));
  EXPECT_EQ(tag(two, ones, two), from_hex("03000000000000000000000000000000"));
  EXPECT_EQ(tag(one, zeros, ones + "f0ffffffffffffffffffffffffffffff" + "11000000000000000000000000000000"),
            from_hex("05000000000000000000000000000000"));
  EXPECT_EQ(tag(one, zeros, ones + "fbfefefefefefefefefefefefefefefe" + "01010101010101010101010101010101"),
            from_hex(zeros));
  EXPECT_EQ(tag(two, zeros, "fdffffffffffffffffffffffffffffff"), from_hex("faffffffffffffffffffffffffffffff"));
  EXPECT_EQ(tag("01000000000000000400000000000000", zeros,
                "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001"
                "000000000000000000000000000000"),
            from_hex("14000000000000005500000000000000"));
  EXPECT_EQ(tag("01000000000000000400000000000000", zeros,
                "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000"),
            from_hex("13000000000000000000000000000000"));
}

// Section 2.8.2.
TEST_P(ChachaPolyOnEveryLevel, The_aead_gives_the_message_of_the_rfc) {
  const auto text = bytes_of(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.");
  ChachaPoly aead(level());
  EXPECT_EQ(sealed(aead, counted(32, 0x80), from_hex("070000004041424344454647"), from_hex("50515253c0c1c2c3c4c5c6c7"),
                   Buffer(text.begin(), text.end()), 200),
            from_hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
                     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
                     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                     "3ff4def08e4b7a9de576d26586cec64b6116"
                     "1ae10b594f09e26a7e902ecbd0600691"));
}

TEST_P(ChachaPolyOnEveryLevel, The_aead_is_openssl_s_for_every_short_length) {
  ChachaPoly aead(level());
  for (size_t n = 0; n <= 1024 && !HasFatalFailure(); ++n) {
    expect_same(aead, below(40), n, n + 1);
    expect_same(aead, n % 65, n, 100);
  }
  for (size_t aad = 0; aad <= 300 && !HasFatalFailure(); ++aad) expect_same(aead, aad, below(300), 100);
}

TEST_P(ChachaPolyOnEveryLevel, The_aead_is_openssl_s_for_long_messages_in_any_pieces) {
  ChachaPoly aead(level());
  for (const size_t n : {1025u, 1983u, 1984u, 1985u, 2047u, 2048u, 2049u, 4095u, 4097u, 16384u, 65536u, 200000u}) {
    for (const size_t most : {17u, 300u, 1500u, 5000u, 300000u}) {
      if (!HasFatalFailure()) expect_same(aead, below(1000), n, most);
    }
  }
}

// Texts and keys of ones alone carry as far as can be.
TEST_P(ChachaPolyOnEveryLevel, Poly1305_is_openssl_s_where_all_bits_are_set) {
  for (size_t i = 0; i < 300; ++i) {
    const Buffer key = i % 2 == 0 ? Buffer(32, 0xff) : bytes(32);
    Buffer text(below(3000), 0xff);
    for (size_t change = 0; !text.empty() && change < i % 7; ++change) text[below(text.size())] = 0xfe;
    ASSERT_EQ(tag_of(key, text, 1 + below(3000)), expected_tag_of(key, text)) << i << " " << text.size();
  }
}

TEST_P(ChachaPolyOnEveryLevel, A_copy_goes_on_by_itself_from_the_middle_of_a_message) {
  const Buffer key = bytes(32), nonce = bytes(12), text = bytes(5000);
  for (const size_t at : {0u, 1u, 63u, 64u, 960u, 961u, 3000u}) {
    ChachaPoly first(level());
    Buffer a(text.size() + 16), b(text.size() + 16);
    first.start(key.data(), nonce.data(), {});
    first.seal(a.data(), text.data(), at);
    std::copy_n(a.begin(), at, b.begin());
    ChachaPoly second(first);
    for (auto [aead, out] : {std::pair(&first, &a), std::pair(&second, &b)}) {
      aead->seal(out->data() + at, text.data() + at, text.size() - at);
      aead->finish(out->data() + text.size());
    }
    EXPECT_EQ(a, b);
    EXPECT_EQ(a, expected_sealed(key, nonce, {}, text));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ChachaPolyOnEveryLevel,
                         testing::Values(VectorLevel::avx512, VectorLevel::avx2, VectorLevel::portable),
                         [](const auto& made) { return name_of(made.param); });

}  // namespace
}  // namespace sluice::test
