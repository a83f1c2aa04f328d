// X25519 against RFC 7748, the exchange hash against its definition, and keys against libcrypto's SSHKDF.
#include "control/kex/exchange_hash.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/random.h"
#include "base/wire.h"
#include "control/kex/kex_x25519.h"
#include "control/kex/key_agreement.h"
#include "tests/unit/kex/kex_vectors.h"

namespace sluice {
namespace {

std::string x25519(std::string_view scalar, std::string_view point) {
  return to_hex(X25519Key::from_private(from_hex(scalar)).agree(from_hex(point))->view());
}

// RFC 7748 section 5.2.
TEST(X25519, Products_are_those_of_the_RFC) {
  EXPECT_EQ(x25519("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                   "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                   "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

// RFC 7748 section 6.1.
TEST(X25519, The_exchange_of_Alice_and_Bob_is_that_of_the_RFC) {
  const auto alice =
      X25519Key::from_private(from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const auto bob =
      X25519Key::from_private(from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(to_hex(alice.public_key()), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(to_hex(bob.public_key()), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  constexpr std::string_view kShared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  EXPECT_EQ(to_hex(alice.agree(bob.public_key())->view()), kShared);
  EXPECT_EQ(to_hex(bob.agree(alice.public_key())->view()), kShared);
}

TEST(ExchangeHash, Hashes_the_strings_in_order_and_the_fields_as_they_are) {
  for (HashId hash : {HashId::sha1, HashId::sha256, HashId::sha384, HashId::sha512}) {
    const std::vector<uint8_t> fields = {9, 9, 9};
    const Secret shared = shared_mpint(from_hex("0080ff"));
    const Digest digest = exchange_hash(hash, {bytes_of("SSH-2.0-c"), bytes_of("SSH-2.0-server"), bytes_of("ci"),
                                               bytes_of(""), bytes_of("hostkey"), fields, shared.view()});
    const auto expected = WireWriter()
                              .string("SSH-2.0-c")
                              .string("SSH-2.0-server")
                              .string("ci")
                              .string("")
                              .string("hostkey")
                              .raw(fields)
                              .mpint(from_hex("80ff"))
                              .take();
    EXPECT_EQ(to_hex(digest.view()), hash_hex(hash, expected));
    EXPECT_EQ(digest.size, hash_size(hash));
  }
}

const char* libcrypto_name(HashId hash) {
  switch (hash) {
    case HashId::sha1: return "SHA1";
    case HashId::sha256: return "SHA256";
    case HashId::sha384: return "SHA384";
    default: return "SHA512";
  }
}

std::string libcrypto_key(HashId hash, Bytes shared, Bytes exchange, char letter, Bytes session, size_t size) {
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "SSHKDF", nullptr);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  std::string name = libcrypto_name(hash);
  std::vector<uint8_t> k(shared.begin(), shared.end());
  std::vector<uint8_t> h(exchange.begin(), exchange.end());
  std::vector<uint8_t> s(session.begin(), session.end());
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, k.data(), k.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SSHKDF_XCGHASH, h.data(), h.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SSHKDF_SESSION_ID, s.data(), s.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_SSHKDF_TYPE, &letter, 1),
      OSSL_PARAM_construct_end()};
  std::vector<uint8_t> out(size);
  EXPECT_EQ(EVP_KDF_derive(context, out.data(), out.size(), parameters), 1);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return to_hex(out);
}

TEST(KeyDerivation, Keys_of_every_letter_and_length_are_those_of_libcrypto) {
  CheapRandom random(4253);
  for (HashId hash : {HashId::sha1, HashId::sha256, HashId::sha384, HashId::sha512}) {
    for (size_t size :
         {size_t{1}, size_t{12}, size_t{20}, size_t{32}, size_t{64}, size_t{65}, size_t{128}, size_t{200}}) {
      std::vector<uint8_t> magnitude(32);
      random.fill(magnitude);
      const Secret shared = shared_mpint(magnitude);
      Digest exchange;
      exchange.size = hash_size(hash);
      random.fill(MutableBytes(exchange.bytes).first(exchange.size));
      std::vector<uint8_t> session(20);
      random.fill(session);
      for (char letter = 'A'; letter <= 'F'; ++letter) {
        const Secret key = derive_key(hash, shared, exchange, static_cast<KeyLetter>(letter), session, size);
        EXPECT_EQ(to_hex(key.view()), libcrypto_key(hash, shared.view(), exchange.view(), letter, session, size));
      }
    }
  }
}

TEST(KeyDerivation, A_key_of_no_bytes_is_empty) {
  Digest exchange;
  exchange.size = 32;
  EXPECT_TRUE(derive_key(HashId::sha256, Secret(Bytes(exchange.view())), exchange, KeyLetter::mac_client_to_server,
                         exchange.view(), 0)
                  .empty());
}

TEST(SharedSecret, An_mpint_has_no_leading_zeros_and_no_sign) {
  EXPECT_EQ(to_hex(shared_mpint(from_hex("")).view()), "00000000");
  EXPECT_EQ(to_hex(shared_mpint(from_hex("0000")).view()), "00000000");
  EXPECT_EQ(to_hex(shared_mpint(from_hex("007f")).view()), "000000017f");
  EXPECT_EQ(to_hex(shared_mpint(from_hex("80")).view()), "000000020080");
  EXPECT_EQ(to_hex(shared_mpint(from_hex("000080ff")).view()), "000000030080ff");
  EXPECT_EQ(to_hex(shared_string(from_hex("000080ff")).view()), "00000004000080ff");
}

}  // namespace
}  // namespace sluice
