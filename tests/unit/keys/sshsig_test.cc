// Our signatures verified by OpenSSH and its own by us, by way of the files of `ssh-keygen -Y` (PROTOCOL.sshsig).
#include <openssl/sha.h>

#include "base/wire.h"
#include "control/keys/base64.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::run;

constexpr std::string_view kMagic = "SSHSIG";
constexpr std::string_view kMessage = "a message\n";
constexpr KeyType kTypes[] = {KeyType::ed25519, KeyType::ecdsa_nistp256, KeyType::ecdsa_nistp384,
                              KeyType::ecdsa_nistp521, KeyType::rsa};

std::string with_magic(const WireWriter& rest) { return std::string(kMagic).append(text_of(rest.view())); }

std::string data_to_sign() {
  uint8_t hash[SHA512_DIGEST_LENGTH];
  SHA512(bytes_of(kMessage).data(), kMessage.size(), hash);
  WireWriter data;
  data.string("file").string("").string("sha512").string(Bytes(hash));
  return with_magic(data);
}

TEST(Sshsig, of_ours_is_verified_by_ssh_keygen) {
  test::TemporaryFolder folder;
  for (const KeyType type : kTypes) {
    const auto key = PrivateKey::generate(type, type == KeyType::rsa ? 2048 : 0);
    ASSERT_TRUE(key);
    const auto signature = key->sign(preferred_algorithm(type)->name, bytes_of(data_to_sign()));
    ASSERT_TRUE(signature);
    WireWriter file;
    file.u32(1).string(key->public_key().blob()).string("file").string("").string("sha512");
    file.string(*signature);
    std::string armored = "-----BEGIN SSH SIGNATURE-----\n";
    const std::string base64 = base64_encode(bytes_of(with_magic(file)));
    for (size_t at = 0; at < base64.size(); at += 70) armored += base64.substr(at, 70) + "\n";
    test::write_text(folder / "sig", armored + "-----END SSH SIGNATURE-----\n");
    test::write_text(folder / "signers", "me " + to_text(key->public_key(), "") + "\n");
    test::write_text(folder / "message", kMessage);
    const std::string command =
        "ssh-keygen -Y verify -f " + (folder / "signers") + " -I me -n file -s " + (folder / "sig") + " < ";
    const auto good = run(command + (folder / "message"));
    EXPECT_EQ(good.status, 0) << row_of(type).name << good.output;
    EXPECT_NE(run(command + "/dev/null").status, 0);
  }
}

TEST(Sshsig, of_ssh_keygen_is_verified_by_us) {
  test::TemporaryFolder folder;
  test::write_text(folder / "message", kMessage);
  for (const KeyType type : kTypes) {
    const auto key = PrivateKey::generate(type, type == KeyType::rsa ? 2048 : 0);
    ASSERT_TRUE(key && save_private_key(folder / "k", *key, "", nullptr));
    const auto made = run("ssh-keygen -Y sign -f " + (folder / "k") + " -n file - < " + (folder / "message"));
    ASSERT_EQ(made.status, 0) << made.output;
    std::string base64;
    const size_t from = made.output.find("SIGNATURE-----\n") + 15;
    for (const char c : made.output.substr(from, made.output.find("-----END") - from))
      if (c != '\n') base64 += c;
    const auto bytes = base64_decode(base64);
    ASSERT_TRUE(bytes) << made.output;
    WireReader file(*bytes);
    file.raw(kMagic.size());
    EXPECT_EQ(file.u32(), 1u);
    const Bytes blob = file.string();
    EXPECT_TRUE(std::equal(blob.begin(), blob.end(), key->public_key().blob().begin()));
    for (int i = 0; i < 3; ++i) file.string();
    const Bytes signature = file.string();
    ASSERT_TRUE(file.ok() && file.at_end());
    EXPECT_TRUE(key->public_key().verify(signature, preferred_algorithm(type)->name, bytes_of(data_to_sign())))
        << row_of(type).name;
  }
}

}  // namespace
}  // namespace sluice
