// Published vectors, reached through the drivers' own operations.
//
// NIST SP 800-38A section F gives CTR and CBC over four blocks: with an EtM suite the body of a record is just that.
// RFC 8439 appendix A.1 gives chacha20 blocks with counter 0, whose nonce is a sequence number.
#include <gtest/gtest.h>

#include "base/random.h"
#include "drivers/chacha20_first_blocks.h"
#include "drivers/reference_crypto.h"
#include "tests/support/drivers_under_test.h"
#include "tests/support/run_ops.h"

namespace sluice::test {
namespace {

std::vector<uint8_t> hex(std::string_view text) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

const std::string kPlain =
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad"
    "2b"
    "417be66c3710";
const std::string kKey128 = "2b7e151628aed2a6abf7158809cf4f3c";
const std::string kKey192 = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b";
const std::string kKey256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const std::string kCounter = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const std::string kCbcIv = "000102030405060708090a0b0c0d0e0f";

struct Vector {
  std::string suite;
  std::string key;
  std::string iv;
  std::string cipher;
};

const std::vector<Vector> kVectors{
    {"aes128-ctr", kKey128, kCounter,
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d17"
     "92170a0f3009cee"},
    {"aes192-ctr", kKey192, kCounter,
     "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585"
     "a97daec58c6b050"},
    {"aes256-ctr", kKey256, kCounter,
     "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada61"
     "3c2dd08457941a6"},
    {"aes128-cbc", kKey128, kCbcIv,
     "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac091"
     "20eca307586e1a7"},
    {"aes192-cbc", kKey192, kCbcIv,
     "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d"
     "920a9e64f5615cd"},
    {"aes256-cbc", kKey256, kCbcIv,
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcd"
     "a6c19078c6a9d1b"},
};

TEST(KnownAnswer, Nist_sp800_38a_on_every_driver) {
  for (const DriverUnderTest& driver : drivers_under_test()) {
    for (const Vector& v : kVectors) {
      const CipherSuite& suite = *find_suite(v.suite + "+hmac-sha2-256-etm");
      if (!driver.serves(suite)) continue;
      ReferenceKeys keys{hex(v.key), hex(v.iv), std::vector<uint8_t>(32)};
      std::vector<uint8_t> record(4);
      store_be32(record.data(), 64);
      const auto body = hex(kPlain);
      record.insert(record.end(), body.begin(), body.end());
      const auto wire = seal_on(driver, suite, keys, 0, keys.iv, record);
      EXPECT_EQ(std::vector<uint8_t>(wire.begin() + 4, wire.begin() + 68), hex(v.cipher))
          << driver.name << " " << v.suite;
    }
  }
}

TEST(KnownAnswer, Rfc_8439_first_blocks_in_every_lane) {
  const std::vector<uint8_t> zero(32);
  const auto first =
      hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518"
          "a11cc387b669b2ee6586");
  const auto nonce_two =
      hex("c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c78a970e0e955c14f3a88e741b97c286f75f8fc299e814"
          "8362fa198a39531bed6d");
  std::array<ChachaLane, kChachaLanes> lanes;
  for (size_t i = 0; i < kChachaLanes; ++i) lanes[i] = {zero.data(), i % 2 == 0 ? 0u : 2u};
  ChachaBlocks blocks{};
  chacha20_first_blocks(lanes.data(), lanes.size(), blocks);
  for (size_t i = 0; i < kChachaLanes; ++i) {
    EXPECT_EQ(std::vector<uint8_t>(blocks[i].begin(), blocks[i].end()), i % 2 == 0 ? first : nonce_two) << i;
  }
}

TEST(KnownAnswer, Length_masks_agree_with_single_blocks_across_the_wrap) {
  std::vector<uint8_t> key(32, 9);
  ChachaLengthMasks masks;
  for (uint32_t sequence = 0xfffffff0u; sequence != 40; ++sequence) {
    const ChachaLane lane{key.data(), sequence};
    ChachaBlocks blocks{};
    chacha20_first_blocks(&lane, 1, blocks);
    ASSERT_EQ(masks.mask(key.data(), sequence), load_be32(blocks[0].data())) << sequence;
  }
  EXPECT_EQ(masks.mask(key.data(), 3), masks.mask(key.data(), 3)) << "going back is answered too";
}

}  // namespace
}  // namespace sluice::test
