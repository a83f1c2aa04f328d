// Private key files of ssh-keygen and openssl read here, ours read by them.
#include "control/keys/private_key_file.h"

#include <sys/stat.h>

#include "base/wire.h"
#include "control/keys/fingerprint.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::phrase;
using test::run;

constexpr const char* kTypes[] = {"ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048", "dsa"};
constexpr const char* kCiphers[] = {"aes256-ctr",
                                    "aes192-ctr",
                                    "aes128-ctr",
                                    "aes256-cbc",
                                    "aes192-cbc",
                                    "aes128-cbc",
                                    "3des-cbc",
                                    "aes128-gcm@openssh.com",
                                    "aes256-gcm@openssh.com",
                                    "chacha20-poly1305@openssh.com"};

void expect_same_as_pub_file(const std::string& path, const PrivateKey& key) {
  const auto half = read_public_key(bytes_of(test::read_text(path + ".pub")));
  ASSERT_TRUE(half);
  EXPECT_EQ(half->key, key.public_key());
}

TEST(PrivateKeyFile, of_ssh_keygen_is_read_in_every_type) {
  test::TemporaryFolder folder;
  for (const std::string type : kTypes) {
    for (const std::string format : {"RFC4716", "PEM", "PKCS8"}) {
      const std::string path = folder / (type.substr(0, type.find(' ')) + type.substr(type.size() - 3) + format);
      const auto made = run("ssh-keygen -q -N '' -C 'c d' -m " + format + " -f " + path + " -t " + type);
      ASSERT_EQ(made.status, 0) << made.output;
      const auto key = load_private_key(path, test::no_phrase);
      ASSERT_TRUE(key) << key.error() << " " << type << format;
      expect_same_as_pub_file(path, key->key);
      if (format == "RFC4716") {
        EXPECT_EQ(key->comment, "c d");
      }
    }
  }
}

TEST(PrivateKeyFile, of_ssh_keygen_is_read_under_every_cipher) {
  test::TemporaryFolder folder;
  for (const std::string cipher : kCiphers) {
    const std::string path = folder / cipher;
    const auto made = run("ssh-keygen -q -a 2 -N secret -C c -t ecdsa -Z " + cipher + " -f " + path);
    ASSERT_EQ(made.status, 0) << made.output;
    const auto key = load_private_key(path, phrase("secret"));
    ASSERT_TRUE(key) << key.error() << " " << cipher;
    expect_same_as_pub_file(path, key->key);
    const std::string text = test::read_text(path);
    EXPECT_EQ(parse_private_key(bytes_of(text), phrase("Secret")).error(), KeyError::wrong_passphrase) << cipher;
    EXPECT_EQ(parse_private_key(bytes_of(text), test::no_phrase).error(), KeyError::passphrase_needed);
    EXPECT_EQ(parse_private_key(bytes_of(text), nullptr).error(), KeyError::passphrase_needed);
    const auto half = public_half_of(bytes_of(text));
    ASSERT_TRUE(half);
    EXPECT_EQ(*half, key->key.public_key());
  }
}

TEST(PrivateKeyFile, in_encrypted_pem_is_read) {
  test::TemporaryFolder folder;
  for (const std::string type : {"ecdsa", "rsa -b 2048"}) {
    for (const std::string format : {"PEM", "PKCS8"}) {
      const std::string path = folder / (type.substr(0, 3) + format);
      const auto made = run("ssh-keygen -q -N secret -m " + format + " -f " + path + " -t " + type);
      ASSERT_EQ(made.status, 0) << made.output;
      const auto key = load_private_key(path, phrase("secret"));
      ASSERT_TRUE(key) << key.error() << " " << type << format;
      expect_same_as_pub_file(path, key->key);
      const std::string text = test::read_text(path);
      EXPECT_EQ(parse_private_key(bytes_of(text), phrase("Secret")).error(), KeyError::wrong_passphrase);
      EXPECT_EQ(parse_private_key(bytes_of(text), test::no_phrase).error(), KeyError::passphrase_needed);
    }
  }
}

TEST(PrivateKeyFile, of_openssl_is_read) {
  test::TemporaryFolder folder;
  const std::string commands[] = {
      "openssl genpkey -algorithm ed25519",
      "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
      "openssl ecparam -name prime256v1 -genkey",
      "openssl genrsa -traditional 2048",
      "openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -passout pass:secret",
      "openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -scrypt -passout pass:secret",
      "openssl ecparam -name prime256v1 -genkey -conv_form compressed"};
  for (const std::string& command : commands) {
    const auto made = run("(" + command + ") 2>/dev/null");
    ASSERT_EQ(made.status, 0) << made.output;
    const auto key = parse_private_key(bytes_of(made.output), phrase("secret"));
    ASSERT_TRUE(key) << describe(key.error()) << " " << command;
    const auto signature = key->key.sign(preferred_algorithm(key->key.type())->name, bytes_of("data"));
    EXPECT_TRUE(signature);
  }
  for (const std::string command : {"openssl ecparam -name secp256k1 -genkey -noout",
                                    "openssl genpkey -algorithm x25519", "openssl ecparam -name prime256v1"}) {
    const auto made = run(command);
    EXPECT_FALSE(parse_private_key(bytes_of(made.output), test::no_phrase)) << command;
  }
}

TEST(PrivateKeyFile, that_asks_for_too_much_work_is_refused_before_it) {
  test::TemporaryFolder folder;
  ASSERT_EQ(run("ssh-keygen -q -a 3 -N secret -t ed25519 -f " + (folder / "k")).status, 0);
  const std::string text = test::read_text(folder / "k");
  EXPECT_EQ(parse_private_key(bytes_of(text), phrase("secret"), {.max_bcrypt_rounds = 2}).error(),
            KeyError::derivation_too_costly);
  const auto pkcs8 =
      run("openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -iter 9000000 -passout pass:secret");
  ASSERT_EQ(pkcs8.status, 0);
  EXPECT_EQ(parse_private_key(bytes_of(pkcs8.output), phrase("secret")).error(), KeyError::derivation_too_costly);
  const auto scrypt =
      run("openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -scrypt -scrypt_N 2 -scrypt_r 1 -scrypt_p 9000000 "
          "-passout pass:secret");
  if (scrypt.status == 0) {
    EXPECT_EQ(parse_private_key(bytes_of(scrypt.output), phrase("secret")).error(), KeyError::derivation_too_costly);
  }
  // A harmless block in front may not hide a costly one.
  const auto harmless = run("openssl genpkey -algorithm x25519");
  EXPECT_EQ(parse_private_key(bytes_of(harmless.output + pkcs8.output), phrase("secret")).error(),
            KeyError::unsupported);
  const auto parameters = run("openssl ecparam -name prime256v1");
  EXPECT_EQ(parse_private_key(bytes_of(parameters.output + pkcs8.output), phrase("secret")).error(),
            KeyError::derivation_too_costly);
}

TEST(PrivateKeyFile, of_ours_is_read_by_ssh_keygen) {
  test::TemporaryFolder folder;
  for (const KeyTypeRow& row : all_key_types()) {
    if (row.on_authenticator) continue;
    const auto key = PrivateKey::generate(row.type, row.type == KeyType::rsa ? 2048 : 0);
    ASSERT_TRUE(key) << row.name;
    const std::string path = folder / std::string(row.store_name);
    ASSERT_TRUE(save_private_key(path, *key, "of ours", nullptr));
    const auto half = run("ssh-keygen -y -f " + path);
    EXPECT_EQ(test::trimmed_end(half.output), to_text(key->public_key(), "of ours"));
    const auto fingerprint = run("ssh-keygen -l -f " + path);
    EXPECT_EQ(test::trimmed_end(fingerprint.output), describe_key(key->public_key(), "of ours"));
    const auto again = load_private_key(path, test::no_phrase);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->key.public_key(), key->public_key());
    struct stat status;
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
  }
}

TEST(PrivateKeyFile, of_ours_is_read_by_ssh_keygen_under_every_cipher) {
  test::TemporaryFolder folder;
  const auto key = PrivateKey::generate(KeyType::ed25519);
  ASSERT_TRUE(key);
  for (const std::string cipher : kCiphers) {
    const KeySealing sealing{Secret(bytes_of("secret")), 2, cipher};
    const std::string path = folder / cipher;
    ASSERT_TRUE(save_private_key(path, *key, "", &sealing));
    const auto half = run("ssh-keygen -y -P secret -f " + path);
    EXPECT_EQ(test::trimmed_end(half.output), to_text(key->public_key(), "")) << cipher;
    EXPECT_NE(run("ssh-keygen -y -P wrong -f " + path).status, 0);
    EXPECT_TRUE(load_private_key(path, phrase("secret")));
  }
  const KeySealing empty{Secret(), 2, "aes256-ctr"};
  EXPECT_FALSE(format_private_key(*key, "", &empty));
  const KeySealing unknown{Secret(bytes_of("x")), 2, "rot13"};
  EXPECT_EQ(format_private_key(*key, "", &unknown).error(), KeyError::unknown_cipher);
}

TEST(PrivateKeyFile, that_others_may_read_is_refused) {
  test::TemporaryFolder folder;
  const auto key = PrivateKey::generate(KeyType::ed25519);
  ASSERT_TRUE(key && save_private_key(folder / "k", *key, "", nullptr));
  for (const mode_t mode : {0640u, 0604u, 0660u}) {
    ::chmod((folder / "k").c_str(), mode);
    EXPECT_FALSE(load_private_key(folder / "k", test::no_phrase)) << mode;
  }
  EXPECT_FALSE(load_private_key(folder.path(), test::no_phrase));
  EXPECT_FALSE(load_private_key(folder / "absent", test::no_phrase));
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(load_private_key(folder / "fifo", test::no_phrase));
}

TEST(PrivateKeyFile, with_any_byte_cut_or_bent_never_harms) {
  // Few rounds and a bound on them, so that a bent round count costs nothing.
  const KeyFileLimits limits{.max_bcrypt_rounds = 2, .max_pbkdf2_iterations = 3000, .max_scrypt_work = 1 << 10};
  std::vector<std::string> files;
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa_nistp256}) {
    const auto key = PrivateKey::generate(type);
    ASSERT_TRUE(key);
    const KeySealing sealing{Secret(bytes_of("s")), 1, "aes256-gcm@openssh.com"};
    files.emplace_back(text_of(format_private_key(*key, "c", nullptr)->view()));
    if (type == KeyType::ed25519) files.emplace_back(text_of(format_private_key(*key, "c", &sealing)->view()));
  }
  files.push_back(run("openssl genpkey -algorithm ed25519").output);
  files.push_back(run("openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -passout pass:s").output);
  for (const std::string& file : files) {
    test::for_each_damage(bytes_of(file), 3, [&](Bytes bent) { (void)parse_private_key(bent, phrase("s"), limits); });
  }
}

TEST(PrivateKey, whose_halves_do_not_belong_together_is_refused) {
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa_nistp256, KeyType::rsa, KeyType::dsa}) {
    const auto key = PrivateKey::generate(type, type == KeyType::rsa ? 2048 : 0);
    ASSERT_TRUE(key);
    const auto fields = key->fields();
    ASSERT_TRUE(fields);
    size_t accepted = 0;
    const size_t step = type == KeyType::rsa ? 7 : 1;
    test::for_each_damage(fields->view(), step, [&](Bytes bent) {
      WireReader reader(bent);
      if (PrivateKey::parse(reader)) ++accepted;
    });
    EXPECT_EQ(accepted, 0u) << row_of(type).name;
  }
}

TEST(PrivateKey, generates_rsa_of_the_length_asked_for) {
  EXPECT_EQ(PrivateKey::generate(KeyType::rsa, 1024).error(), KeyError::key_too_short);
  EXPECT_EQ(PrivateKey::generate(KeyType::rsa, 9000).error(), KeyError::key_too_long);
  const auto key = PrivateKey::generate(KeyType::rsa, 1024, {.min_rsa_bits = 1024});
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key().bits(), 1024u);
  EXPECT_EQ(PrivateKey::generate(KeyType::sk_ed25519).error(), KeyError::unsupported);
}

}  // namespace
}  // namespace sluice
