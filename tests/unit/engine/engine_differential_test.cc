// Our ENGINE and our provider against OpenSSL's own implementation: every cipher, every chunking, in place and not.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <random>

#include "tests/unit/engine/loaded_modules.h"

namespace sluice::test {
namespace {

using Buffer = std::vector<uint8_t>;

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  size_t below(size_t n) { return static_cast<size_t>(engine_() % n); }
  Buffer bytes(size_t n) {
    Buffer out(n);
    for (uint8_t& b : out) b = static_cast<uint8_t>(engine_());
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

// Sizes that lie around blocks, groups of blocks and the bounds between the ways in which we do the work.
size_t some_size(Random& random) {
  static constexpr size_t kEdges[] = {0,   1,   15,  16,  17,   31,   32,   33,   63,   64,  65,
                                      127, 128, 129, 255, 256,  257,  367,  368,  369,  383, 384,
                                      385, 511, 512, 513, 1023, 1024, 1025, 4096, 16384};
  switch (random.below(3)) {
    case 0: return kEdges[random.below(std::size(kEdges))];
    case 1: return random.below(100);
    default: return random.below(3000);
  }
}

struct Outcome {
  bool fine = true;
  Buffer bytes;
  Buffer tag;
  bool operator==(const Outcome&) const = default;
};

// Appends what an update gives. In place: the bytes are in the buffer that the answer goes to.
bool feed(const Context& context, Bytes in, bool in_place, Outcome& out) {
  Buffer place;
  if (in_place) place.assign(in.begin(), in.end());
  place.resize(in.size() + 32, 0xee);
  int written = 0;
  // Never null, which would be the end or AAD.
  const Buffer copy(in.begin(), in.end());
  const uint8_t* from = in_place ? place.data() : copy.empty() ? place.data() + 16 : copy.data();
  if (EVP_CipherUpdate(context.get(), place.data(), &written, from, static_cast<int>(in.size())) != 1) return false;
  out.bytes.insert(out.bytes.end(), place.begin(), place.begin() + written);
  return true;
}

bool feed_aad(const Context& context, Bytes aad, size_t pieces) {
  for (size_t i = 0; i < pieces; ++i) {
    const size_t from = aad.size() * i / pieces, to = aad.size() * (i + 1) / pieces;
    int written = 0;
    if (to > from &&
        EVP_CipherUpdate(context.get(), nullptr, &written, aad.data() + from, static_cast<int>(to - from)) != 1)
      return false;
  }
  return true;
}

struct Message {
  Buffer key, iv, aad, text;
  std::vector<size_t> pieces;
  size_t aad_pieces = 1;
  bool in_place = false;
  bool padding = true;
  size_t tag_bytes = 16;
};

Outcome run(Way way, const CipherFacts& facts, bool encrypt, const Message& m, Bytes tag) {
  Outcome out;
  Context context = choose(way, facts.name, encrypt);
  if (facts.aead && m.iv.size() != 12)
    out.fine = EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(m.iv.size()), nullptr) == 1;
  out.fine = out.fine && give(context, m.key, m.iv);
  EVP_CIPHER_CTX_set_padding(context.get(), m.padding ? 1 : 0);
  if (facts.aead && !encrypt) {
    Buffer copy(tag.begin(), tag.end());
    out.fine = out.fine && EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(copy.size()),
                                               copy.data()) == 1;
  }
  if (facts.aead) out.fine = out.fine && feed_aad(context, m.aad, m.aad_pieces);
  size_t at = 0;
  for (const size_t piece : m.pieces) {
    out.fine = out.fine && feed(context, Bytes(m.text).subspan(at, piece), m.in_place, out);
    at += piece;
  }
  uint8_t last[32];
  int written = 0;
  const bool ended = EVP_CipherFinal_ex(context.get(), last, &written) == 1;
  if (ended) out.bytes.insert(out.bytes.end(), last, last + written);
  out.fine = out.fine && ended;
  if (out.fine && facts.aead && encrypt) {
    out.tag.resize(m.tag_bytes);
    out.fine =
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(m.tag_bytes), out.tag.data()) == 1;
  }
  ERR_clear_error();
  return out;
}

std::vector<size_t> cut(size_t total, Random& random) {
  std::vector<size_t> pieces;
  const size_t most = 1 + random.below(6);
  while (pieces.size() < most && total > 0) {
    const size_t piece = std::min(total, some_size(random));
    pieces.push_back(piece);
    total -= piece;
  }
  pieces.push_back(total);
  return pieces;
}

Message some_message(const CipherFacts& facts, Random& random) {
  Message m;
  m.key = random.bytes(facts.key_bytes);
  m.iv = random.bytes(facts.iv_bytes);
  if (facts.name.ends_with("GCM") && random.below(3) == 0) m.iv = random.bytes(1 + random.below(128));
  if (facts.aead) m.aad = random.bytes(random.below(4) == 0 ? some_size(random) : random.below(20));
  m.aad_pieces = 1 + random.below(4);
  m.text = random.bytes(some_size(random) + (random.below(8) == 0 ? random.below(70000) : 0));
  m.pieces = cut(m.text.size(), random);
  m.in_place = random.below(2) == 0;
  m.padding = random.below(2) == 0;
  if (!m.padding && facts.name.ends_with("CBC")) m.text.resize(m.text.size() / 16 * 16);
  m.pieces = cut(m.text.size(), random);
  // Pieces that end inside a block are not in place: what is written is ahead of what is read.
  if (facts.name.ends_with("CBC")) m.in_place = m.in_place && m.pieces.size() == 1;
  m.tag_bytes = 12 + random.below(5);
  return m;
}

class Differential : public testing::TestWithParam<std::tuple<Way, size_t>> {
 protected:
  Way way() const { return std::get<0>(GetParam()); }
  const CipherFacts& facts() const { return served_ciphers()[std::get<1>(GetParam())]; }
};

TEST_P(Differential, Gives_the_default_s_bytes_for_every_chunking_and_undoes_its_own) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 300; ++i) {
    Message m = some_message(facts(), random);
    const Outcome expected = run(Way::default_provider, facts(), true, m, {});
    const Outcome sealed = run(way(), facts(), true, m, {});
    ASSERT_TRUE(expected.fine);
    ASSERT_EQ(sealed, expected) << "message " << i << " of " << m.text.size() << " bytes, IV " << m.iv.size();
    Message back = m;
    back.text = sealed.bytes;
    back.pieces = cut(back.text.size(), random);
    if (facts().name.ends_with("CBC")) back.in_place = false;
    const Outcome opened = run(way(), facts(), false, back, sealed.tag);
    ASSERT_TRUE(opened.fine);
    ASSERT_EQ(opened.bytes, m.text);
  }
}

TEST_P(Differential, Every_cut_of_a_short_message_into_two_gives_the_same) {
  Random random(7);
  Message m = some_message(facts(), random);
  m.text = random.bytes(80);
  m.in_place = false;
  m.padding = true;
  m.pieces = {80};
  const Outcome expected = run(Way::default_provider, facts(), true, m, {});
  for (size_t first = 0; first <= 80; ++first) {
    for (size_t second = first; second <= 80; ++second) {
      m.pieces = {first, second - first, 80 - second};
      ASSERT_EQ(run(way(), facts(), true, m, {}), expected) << first << " " << second;
    }
  }
}

TEST_P(Differential, Refuses_a_wrong_tag_and_bad_padding_as_the_default_does) {
  Random random(11);
  for (int i = 0; i < 60; ++i) {
    Message m = some_message(facts(), random);
    m.padding = true;
    m.in_place = false;
    Outcome sealed = run(way(), facts(), true, m, {});
    ASSERT_TRUE(sealed.fine);
    if (facts().aead) {
      const size_t byte = random.below(sealed.tag.size());
      sealed.tag[byte] = static_cast<uint8_t>(sealed.tag[byte] ^ (1u << random.below(8)));
    } else if (!sealed.bytes.empty()) {
      sealed.bytes.back() = static_cast<uint8_t>(sealed.bytes.back() ^ (1u << random.below(8)));
    }
    m.text = sealed.bytes;
    m.pieces = {m.text.size()};
    const Outcome expected = run(Way::default_provider, facts(), false, m, sealed.tag);
    const Outcome opened = run(way(), facts(), false, m, sealed.tag);
    EXPECT_EQ(opened.fine, expected.fine);
    EXPECT_FALSE(facts().aead && opened.fine);
    if (opened.fine) {
      EXPECT_EQ(opened.bytes, expected.bytes);
    }
  }
}

TEST_P(Differential, A_copy_goes_on_by_itself_from_the_middle_of_a_message) {
  Random random(13);
  for (int i = 0; i < 40; ++i) {
    const Buffer key = random.bytes(facts().key_bytes), iv = random.bytes(facts().iv_bytes);
    Context first = start(way(), facts().name, true, key, iv);
    Outcome a, b;
    const Buffer begin = random.bytes(some_size(random)), rest = random.bytes(some_size(random));
    ASSERT_TRUE(feed(first, begin, false, a));
    b = a;
    Context second(EVP_CIPHER_CTX_new());
    ASSERT_EQ(EVP_CIPHER_CTX_copy(second.get(), first.get()), 1);
    ASSERT_TRUE(feed(first, rest, false, a));
    first.reset();
    ASSERT_TRUE(feed(second, rest, false, b));
    EXPECT_EQ(a.bytes, b.bytes);
  }
}

TEST_P(Differential, A_context_serves_many_messages_with_the_same_and_with_other_keys) {
  Random random(17);
  Context ours = choose(way(), facts().name, true);
  Context theirs = choose(Way::default_provider, facts().name, true);
  Buffer key = random.bytes(facts().key_bytes);
  for (int i = 0; i < 100; ++i) {
    const bool other_key = i == 0 || random.below(4) == 0;
    if (other_key) key = random.bytes(facts().key_bytes);
    const Buffer iv = random.bytes(facts().iv_bytes), text = random.bytes(some_size(random));
    Outcome a, b;
    for (auto [context, out] : {std::pair(&ours, &a), std::pair(&theirs, &b)}) {
      ASSERT_TRUE(give(*context, other_key ? Bytes(key) : Bytes(), iv));
      ASSERT_TRUE(feed(*context, text, false, *out));
      uint8_t last[32];
      int written = 0;
      if (random.below(2) == 0 || facts().aead) EVP_CipherFinal_ex(context->get(), last, &written);
    }
    ASSERT_EQ(a, b);
  }
}

// Where SSH hands a cipher's state to another process it reads this.
TEST_P(Differential, Shows_the_same_iv_after_data) {
  Random random(19);
  const Buffer key = random.bytes(facts().key_bytes), iv = random.bytes(facts().iv_bytes);
  Context ours = start(way(), facts().name, true, key, iv);
  Context theirs = start(Way::default_provider, facts().name, true, key, iv);
  for (int i = 0; i < 50 && !facts().aead; ++i) {
    const Buffer text = random.bytes(some_size(random) / 16 * 16);
    Outcome a, b;
    ASSERT_TRUE(feed(ours, text, false, a) && feed(theirs, text, false, b));
    const uint8_t* x = EVP_CIPHER_CTX_iv(ours.get());
    const uint8_t* y = EVP_CIPHER_CTX_iv(theirs.get());
    ASSERT_TRUE(std::equal(x, x + 16, y)) << i;
    EXPECT_EQ(EVP_CIPHER_CTX_get_num(ours.get()), EVP_CIPHER_CTX_get_num(theirs.get()));
  }
  EXPECT_EQ(EVP_CIPHER_CTX_get_iv_length(ours.get()), EVP_CIPHER_CTX_get_iv_length(theirs.get()));
}

INSTANTIATE_TEST_SUITE_P(All, Differential,
                         testing::Combine(testing::ValuesIn(kOurWays), testing::Range<size_t>(0, 10)),
                         [](const auto& made) {
                           std::string name = std::string(name_of(std::get<0>(made.param))) + "_" +
                                              served_ciphers()[std::get<1>(made.param)].name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class CounterEdges : public testing::TestWithParam<Way> {};

TEST_P(CounterEdges, Ctr_carries_through_all_128_bits) {
  Random random(23);
  for (const CipherFacts& facts : served_ciphers()) {
    if (!facts.name.ends_with("CTR")) continue;
    for (const size_t ones : {4u, 8u, 12u, 16u}) {
      for (const size_t before : {0u, 1u, 2u, 7u, 23u, 24u, 25u, 100u, 2000u}) {
        Message m;
        m.key = random.bytes(facts.key_bytes);
        m.iv = random.bytes(16);
        std::fill(m.iv.end() - static_cast<ptrdiff_t>(ones), m.iv.end(), uint8_t{0xff});
        store_be32(m.iv.data() + 12, static_cast<uint32_t>(0u - 1u - before));
        m.text = random.bytes(70000);
        m.pieces = cut(m.text.size(), random);
        ASSERT_EQ(run(GetParam(), facts, true, m, {}), run(Way::default_provider, facts, true, m, {}))
            << facts.name << " " << ones << " " << before;
      }
    }
  }
}

// GF(2^128) as GCM has it, the slow way.
struct Element {
  uint64_t high = 0, low = 0;
};

Element times(Element x, Element y) {
  Element z;
  for (int i = 0; i < 128; ++i) {
    const uint64_t bit = i < 64 ? x.high >> (63 - i) & 1 : x.low >> (127 - i) & 1;
    if (bit) z = {z.high ^ y.high, z.low ^ y.low};
    const bool carry = y.low & 1;
    y.low = y.low >> 1 | y.high << 63;
    y.high >>= 1;
    if (carry) y.high ^= 0xe100000000000000u;
  }
  return z;
}

Element inverse(Element x) {
  // x^(2^128 - 2)
  Element power = x, result{0x8000000000000000u, 0};
  for (int i = 1; i < 128; ++i) {
    power = times(power, power);
    result = times(result, power);
  }
  return result;
}

TEST_P(CounterEdges, Gcm_counts_in_32_bits_alone_whatever_its_iv_hashes_to) {
  Random random(29);
  for (const CipherFacts& facts : served_ciphers()) {
    if (!facts.name.ends_with("GCM")) continue;
    for (const uint32_t low :
         {0xffffffffu, 0xfffffffeu, 0xfffffff0u, 0xffffff00u, 0xfffffe7fu, 0x7fffffffu, 0x00ffffffu}) {
      Message m;
      m.key = random.bytes(facts.key_bytes);
      // H: the encryption of zero.
      Context block(EVP_CIPHER_CTX_new());
      EVP_EncryptInit_ex(block.get(),
                         facts.key_bytes == 16   ? EVP_aes_128_ecb()
                         : facts.key_bytes == 24 ? EVP_aes_192_ecb()
                                                 : EVP_aes_256_ecb(),
                         nullptr, m.key.data(), nullptr);
      uint8_t zero[16] = {}, h[16];
      int written = 0;
      ASSERT_EQ(EVP_EncryptUpdate(block.get(), h, &written, zero, 16), 1);
      const Element over = inverse({load_be64(h), load_be64(h + 8)});
      // J0 = ((IV * H) + length) * H
      Element iv = times({~uint64_t{0}, uint64_t{0xffffffff} << 32 | low}, over);
      iv.low ^= 128;
      iv = times(iv, over);
      m.iv.resize(16);
      store_be64(m.iv.data(), iv.high);
      store_be64(m.iv.data() + 8, iv.low);
      m.aad = random.bytes(13);
      m.text = random.bytes(9000);
      m.pieces = cut(m.text.size(), random);
      ASSERT_EQ(run(GetParam(), facts, true, m, {}), run(Way::default_provider, facts, true, m, {})) << low;
    }
  }
}

TEST_P(CounterEdges, An_aead_takes_a_large_aad_and_none_after_data) {
  Random random(31);
  // Around what is held before a message begins, and far beyond.
  for (const size_t aad_bytes : {65535u, 65536u, 65537u, 300000u}) {
    for (const CipherFacts& facts : served_ciphers()) {
      if (!facts.aead) continue;
      Message m;
      m.key = random.bytes(facts.key_bytes);
      m.iv = random.bytes(12);
      m.aad = random.bytes(aad_bytes);
      m.aad_pieces = 1 + random.below(77);
      m.text = random.bytes(1000);
      m.pieces = cut(m.text.size(), random);
      Outcome sealed = run(GetParam(), facts, true, m, {});
      EXPECT_EQ(sealed, run(Way::default_provider, facts, true, m, {}));
      Context context = start(GetParam(), facts.name, true, m.key, m.iv);
      Outcome out;
      ASSERT_TRUE(feed(context, m.text, false, out));
      EXPECT_FALSE(feed_aad(context, m.aad, 1));
      const Buffer text = m.text;
      m.text = sealed.bytes;
      const Outcome opened = run(GetParam(), facts, false, m, sealed.tag);
      EXPECT_TRUE(opened.fine);
      EXPECT_EQ(opened.bytes, text);
      sealed.tag[3] = static_cast<uint8_t>(sealed.tag[3] ^ 0x10);
      EXPECT_FALSE(run(GetParam(), facts, false, m, sealed.tag).fine);
    }
  }
}

TEST_P(CounterEdges, A_copy_made_within_a_long_aad_goes_on_by_itself) {
  Random random(37);
  for (const CipherFacts& facts : served_ciphers()) {
    if (!facts.aead) continue;
    const Buffer key = random.bytes(facts.key_bytes), iv = random.bytes(12), aad = random.bytes(100000);
    std::array<Buffer, 2> tags{Buffer(16), Buffer(16)};
    Context first = start(GetParam(), facts.name, true, key, iv);
    ASSERT_TRUE(feed_aad(first, aad, 3));
    Context second(EVP_CIPHER_CTX_new());
    ASSERT_EQ(EVP_CIPHER_CTX_copy(second.get(), first.get()), 1);
    for (size_t i = 0; i < 2; ++i) {
      const Context& context = i == 0 ? first : second;
      ASSERT_TRUE(feed_aad(context, aad, 1));
      Outcome out;
      ASSERT_TRUE(feed(context, aad, false, out));
      int written = 0;
      ASSERT_EQ(EVP_CipherFinal_ex(context.get(), nullptr, &written), 1);
      ASSERT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, tags[i].data()), 1);
    }
    EXPECT_EQ(tags[0], tags[1]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, CounterEdges, testing::ValuesIn(kOurWays),
                         [](const auto& made) { return std::string(name_of(made.param)); });

}  // namespace
}  // namespace sluice::test
