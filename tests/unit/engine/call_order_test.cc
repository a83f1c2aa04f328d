// Calls in any order, right and wrong: ours answer as OpenSSL's own implementation does, but are never more lenient,
// and refuse a nonce that was used.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/proverr.h>

#include <random>

#include "tests/unit/engine/loaded_modules.h"

namespace sluice::test {
namespace {

using Buffer = std::vector<uint8_t>;

enum class Kind : uint8_t {
  key,
  iv,
  key_and_iv,
  same_direction,
  update,
  end,
  aside,
  set_tag,
  get_tag,
  iv_length,
  copy
};

struct Call {
  Kind kind;
  size_t a, b;
};

struct Answer {
  bool fine = false;
  int reason = 0;
  Buffer out;
};

Answer ask(Context& context, const CipherFacts& facts, const Call& call) {
  static const Buffer data(512, 0x5a);
  const Buffer key(32, static_cast<uint8_t>(call.a)), iv(128, static_cast<uint8_t>(call.b));
  EVP_CIPHER_CTX* const ctx = context.get();
  Answer answer;
  answer.out.resize(600);
  int written = 0, result = 0;
  ERR_clear_error();
  switch (call.kind) {
    case Kind::key: result = EVP_CipherInit_ex(ctx, nullptr, nullptr, key.data(), nullptr, -1); break;
    case Kind::iv: result = EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, iv.data(), -1); break;
    case Kind::key_and_iv: result = EVP_CipherInit_ex(ctx, nullptr, nullptr, key.data(), iv.data(), -1); break;
    case Kind::same_direction: result = EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, nullptr, -1); break;
    case Kind::update:
      result = EVP_CipherUpdate(ctx, answer.out.data(), &written, data.data(), static_cast<int>(call.a % 500));
      break;
    case Kind::end: result = EVP_CipherFinal_ex(ctx, answer.out.data(), &written); break;
    case Kind::aside:
      if (facts.aead) {
        result = EVP_CipherUpdate(ctx, nullptr, &written, data.data(), static_cast<int>(call.a % 40));
        written = 0;
      } else {
        result = EVP_CIPHER_CTX_set_padding(ctx, static_cast<int>(call.a % 2));
      }
      break;
    case Kind::set_tag:
      result = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(call.a % 17),
                                   const_cast<uint8_t*>(data.data()));
      break;
    case Kind::get_tag:
      written = static_cast<int>(call.a % 17);
      result = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, written, answer.out.data());
      break;
    case Kind::iv_length:
      result =
          EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(call.a % 3 ? 12 : call.a % 140), nullptr);
      break;
    case Kind::copy: {
      Context twin(EVP_CIPHER_CTX_new());
      result = EVP_CIPHER_CTX_copy(twin.get(), ctx);
      context = std::move(twin);
      break;
    }
  }
  answer.fine = result > 0;
  answer.reason = ERR_GET_REASON(ERR_peek_last_error());
  answer.out.resize(answer.fine ? static_cast<size_t>(written) : 0);
  ERR_clear_error();
  return answer;
}

class CallOrder : public testing::TestWithParam<std::tuple<Way, size_t>> {
 protected:
  Way way() const { return std::get<0>(GetParam()); }
  const CipherFacts& facts() const { return served_ciphers()[std::get<1>(GetParam())]; }
  bool block() const { return !facts().aead; }
  void play(std::mt19937_64& random);
};

// One sequence, until the two part where they may.
void CallOrder::play(std::mt19937_64& random) {
  const bool encrypt = random() % 2 == 0;
  Context ours = choose(way(), facts().name, encrypt), theirs = choose(Way::default_provider, facts().name, encrypt);
  bool key = false, iv = false, begun = false, sent = false, ended = false;
  std::string story = encrypt ? "seal:" : "open:";
  for (size_t i = 0, count = 1 + random() % 10; i < count; ++i) {
    const Call call{static_cast<Kind>(random() % (block() ? 7 : 11)), random(), random()};
    // Padding or AAD, tags and lengths of IVs are an AEAD's.
    const auto kind = block() && call.kind == Kind::aside && call.b % 2 == 0 ? Kind::copy : call.kind;
    const Call now{kind, call.a, call.b};
    story.append(" ").append(std::to_string(static_cast<int>(kind))).append("/").append(std::to_string(now.a % 500));
    // The default goes on with something of both keys; nonces, below. What an ENGINE's EVP holds of
    // blocks is its own affair.
    const bool again =
        kind == Kind::key || (block() && kind != Kind::update && kind != Kind::end && kind != Kind::copy);
    if (begun && again && (!block() || way() == Way::engine)) return;
    const Answer expected = ask(theirs, facts(), now), answer = ask(ours, facts(), now);
    key = key || kind == Kind::key || kind == Kind::key_and_iv;
    if (kind == Kind::iv || kind == Kind::key_and_iv) iv = true, begun = sent = ended = false;
    // Refusing more than the default: a nonce that was used, of ChaCha20-Poly1305 no key and AAD behind data, no tag to
    // compare with or to give, an ENGINE's IV that it could not tell.
    if (expected.fine && !answer.fine) {
      const bool about_tags = kind == Kind::end || kind == Kind::get_tag;
      const bool late_aad = kind == Kind::aside && sent;
      EXPECT_TRUE(!block() && (ended || !key || about_tags || late_aad || (!iv && way() == Way::engine))) << story;
      return;
    }
    // An ENGINE's EVP keeps what is no block yet to itself.
    if (!expected.fine && answer.fine) {
      EXPECT_TRUE(way() == Way::engine && block() && answer.out.empty()) << story;
      return;
    }
    // A random IV.
    const bool comparable = iv || block() || !facts().name.ends_with("GCM");
    if (comparable && !(kind == Kind::get_tag && ended && !encrypt)) {
      EXPECT_EQ(answer.out, expected.out) << story;
    }
    if (!expected.fine && way() == Way::provider && block()) {
      EXPECT_EQ(answer.reason, expected.reason)
          << story << " " << ERR_reason_error_string(ERR_PACK(ERR_LIB_PROV, 0, expected.reason));
    }
    sent = sent || (kind == Kind::update && answer.fine && now.a % 500 > 0);
    begun = begun || sent || kind == Kind::end || (kind == Kind::aside && !block());
    if (kind == Kind::end) ended = true;
    // After an end an ENGINE's EVP still has the last block.
    if (ended && block() && way() == Way::engine) return;
    // What the default's tag is after a call that it refused is its own affair.
    if (kind == Kind::set_tag && !expected.fine) return;
  }
}

TEST_P(CallOrder, Is_answered_as_the_default_does_and_never_more_leniently) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1500 && !HasFailure(); ++i) play(random);
}

INSTANTIATE_TEST_SUITE_P(All, CallOrder, testing::Combine(testing::ValuesIn(kOurWays), testing::Range<size_t>(0, 10)),
                         [](const auto& made) {
                           std::string name = std::string(name_of(std::get<0>(made.param))) + "_" +
                                              served_ciphers()[std::get<1>(made.param)].name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class OneWay : public testing::TestWithParam<Way> {};

TEST_P(OneWay, Does_nothing_without_a_key_and_takes_zeros_where_nobody_gave_an_iv) {
  const Buffer key(32, 7), text(100, 1);
  for (const CipherFacts& facts : served_ciphers()) {
    if (facts.aead) continue;
    Buffer out(128), expected(128);
    int n = 0, m = 0;
    Context keyless = choose(GetParam(), facts.name, true);
    EXPECT_NE(EVP_CipherUpdate(keyless.get(), out.data(), &n, text.data(), 100), 1) << facts.name;
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), PROV_R_NO_KEY_SET);
    ERR_clear_error();
    Context ours = start(GetParam(), facts.name, true, key, {});
    Context theirs = start(Way::default_provider, facts.name, true, key, {});
    ASSERT_EQ(EVP_CipherUpdate(ours.get(), out.data(), &n, text.data(), 100), 1) << facts.name;
    ASSERT_EQ(EVP_CipherUpdate(theirs.get(), expected.data(), &m, text.data(), 100), 1);
    EXPECT_EQ(n, m);
    EXPECT_EQ(out, expected) << facts.name;
  }
}

TEST_P(OneWay, Says_why_padding_is_bad_as_the_default_does) {
  const Buffer key(32, 7), iv(16, 8);
  for (const size_t size : {32u, 33u}) {
    Buffer text(size, 1), out(64);
    std::array<bool, 2> told{};
    for (const Way way : {GetParam(), Way::default_provider}) {
      Context context = start(way, "AES-256-CBC", false, key, iv);
      int n = 0;
      ASSERT_EQ(EVP_CipherUpdate(context.get(), out.data(), &n, text.data(), static_cast<int>(size)), 1);
      EXPECT_NE(EVP_CipherFinal_ex(context.get(), out.data(), &n), 1);
      const std::string reason = ERR_reason_error_string(ERR_peek_last_error());
      told[way == Way::default_provider] = reason == (size == 32 ? "bad decrypt" : "wrong final block length");
      ERR_clear_error();
    }
    EXPECT_TRUE(told[0] && told[1]) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, OneWay, testing::ValuesIn(kOurWays),
                         [](const auto& made) { return std::string(name_of(made.param)); });

TEST(Nonces, Seal_nothing_else_where_a_key_comes_again_within_a_message) {
  const Buffer key(32, 7), iv(12, 8);
  for (const Way way : kOurWays) {
    for (const char* name : {"AES-256-GCM", "ChaCha20-Poly1305"}) {
      Context context = start(way, name, true, key, iv);
      Buffer text(700, 1);
      int n = 0;
      ASSERT_EQ(EVP_CipherUpdate(context.get(), text.data(), &n, text.data(), 700), 1);
      give(context, key, {});
      EXPECT_NE(EVP_CipherUpdate(context.get(), text.data(), &n, text.data(), 700), 1) << name;
      EXPECT_NE(EVP_CipherFinal_ex(context.get(), text.data(), &n), 1);
      ERR_clear_error();
      ASSERT_TRUE(give(context, {}, iv));
      EXPECT_EQ(EVP_CipherUpdate(context.get(), text.data(), &n, text.data(), 700), 1);
      // Before data came it may: some give the IV first.
      ASSERT_TRUE(give(context, {}, Buffer(12, 9)));
      ASSERT_TRUE(give(context, key, {}));
      EXPECT_EQ(EVP_CipherUpdate(context.get(), text.data(), &n, text.data(), 700), 1);
    }
  }
}

TEST(RandomIv, Is_what_the_provider_s_gcm_seals_under_where_nobody_gave_one_and_is_told) {
  const Buffer key(16, 7), text(1000, 1);
  Buffer sealed(1000), opened(1000), iv(12), tag(16);
  int n = 0;
  Context ours = start(Way::provider, "AES-128-GCM", true, key, {});
  ASSERT_EQ(EVP_CipherUpdate(ours.get(), sealed.data(), &n, text.data(), 1000), 1);
  ASSERT_EQ(EVP_CipherFinal_ex(ours.get(), sealed.data(), &n), 1);
  ASSERT_EQ(EVP_CIPHER_CTX_ctrl(ours.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag.data()), 1);
  ASSERT_EQ(EVP_CIPHER_CTX_get_updated_iv(ours.get(), iv.data(), iv.size()), 1);
  EXPECT_NE(iv, Buffer(12));
  EXPECT_NE(EVP_CipherUpdate(ours.get(), opened.data(), &n, text.data(), 1000), 1) << "one message";
  ERR_clear_error();
  Context theirs = start(Way::default_provider, "AES-128-GCM", false, key, iv);
  ASSERT_EQ(EVP_CIPHER_CTX_ctrl(theirs.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data()), 1);
  ASSERT_EQ(EVP_CipherUpdate(theirs.get(), opened.data(), &n, sealed.data(), 1000), 1);
  EXPECT_EQ(EVP_CipherFinal_ex(theirs.get(), opened.data(), &n), 1);
  EXPECT_EQ(opened, text);
}

}  // namespace
}  // namespace sluice::test
