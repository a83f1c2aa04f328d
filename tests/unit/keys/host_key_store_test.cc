// The host key store on a real folder.
#include "control/keys/host_key_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include "control/keys/fingerprint.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::run;

TEST(HostKeyStore, makes_what_is_missing_once_and_nothing_again) {
  test::TemporaryFolder folder;
  const auto store = HostKeyStore::open(folder / "keys");
  ASSERT_TRUE(store) << store.error();
  struct stat status;
  ASSERT_EQ(::stat((folder / "keys").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0700u);
  const auto made = store->generate_missing();
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->size(), 5u);
  const auto first = store->list();
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 5u);
  EXPECT_EQ(first->back().key.bits(), 3072u);
  for (const HostKeyInfo& info : *first) {
    EXPECT_EQ(info.label, "the_default");
    const auto key = store->load(info.key.type());
    ASSERT_TRUE(key) << key.error();
    EXPECT_EQ(key->public_key(), info.key);
    const std::string path = folder / ("keys/" + std::string(row_of(info.key.type()).store_name) + ".the_default");
    EXPECT_EQ(test::trimmed_end(run("ssh-keygen -l -f " + path).output), describe_key(info.key, "the_default"));
    EXPECT_EQ(test::trimmed_end(run("ssh-keygen -l -f " + path + ".pub").output),
              describe_key(info.key, "the_default"));
  }
  const auto again = store->generate_missing();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->empty());
  EXPECT_EQ(store->list()->front().key, first->front().key);
}

TEST(HostKeyStore, generates_labelled_keys_and_zeroizes_them) {
  test::TemporaryFolder folder;
  const auto store = HostKeyStore::open(folder / "keys");
  ASSERT_TRUE(store);
  const auto key = store->generate(KeyType::ed25519, "R1.example.com");
  ASSERT_TRUE(key) << key.error();
  EXPECT_TRUE(store->has(KeyType::ed25519, "R1.example.com"));
  EXPECT_FALSE(store->has(KeyType::ed25519));
  const auto other = store->generate(KeyType::ed25519, "R1.example.com");
  ASSERT_TRUE(other);
  EXPECT_FALSE(*key == *other);
  EXPECT_EQ(store->list()->size(), 1u);
  EXPECT_TRUE(*store->zeroize(KeyType::ed25519, "R1.example.com"));
  EXPECT_FALSE(*store->zeroize(KeyType::ed25519, "R1.example.com"));
  EXPECT_FALSE(store->load(KeyType::ed25519, "R1.example.com"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "keys"));
}

TEST(HostKeyStore, bounds_the_length_of_rsa_keys) {
  test::TemporaryFolder folder;
  const auto store = HostKeyStore::open(folder / "keys", {.min_rsa_bits = 1024});
  ASSERT_TRUE(store);
  EXPECT_FALSE(store->generate(KeyType::rsa, "small", 768));
  const auto key = store->generate(KeyType::rsa, "old", 1024);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->bits(), 1024u);
  EXPECT_TRUE(store->load(KeyType::rsa, "old"));
  const auto strict = HostKeyStore::open(folder / "keys");
  ASSERT_TRUE(strict);
  EXPECT_FALSE(strict->load(KeyType::rsa, "old"));
  std::vector<std::string> problems;
  EXPECT_TRUE(strict->list(&problems)->empty());
  EXPECT_EQ(problems.size(), 1u);
}

TEST(HostKeyStore, imports_a_host_key_of_openssh) {
  test::TemporaryFolder folder;
  ASSERT_EQ(run("ssh-keygen -q -N '' -t ecdsa -b 384 -f " + (folder / "ssh_host_ecdsa_key")).status, 0);
  const auto store = HostKeyStore::open(folder / "keys");
  ASSERT_TRUE(store);
  const auto key = store->import(folder / "ssh_host_ecdsa_key", nullptr);
  ASSERT_TRUE(key) << key.error();
  EXPECT_EQ(key->type(), KeyType::ecdsa_nistp384);
  EXPECT_TRUE(store->load(KeyType::ecdsa_nistp384));
  EXPECT_FALSE(store->import(folder / "absent", nullptr));
}

TEST(HostKeyStore, refuses_labels_that_are_paths_or_options) {
  test::TemporaryFolder folder;
  const auto store = HostKeyStore::open(folder / "keys");
  ASSERT_TRUE(store);
  for (const std::string label : {"", ".", "..", "../x", "a/b", "-f", ".hidden", "a b", "x.pub", "a.new-1"}) {
    EXPECT_FALSE(valid_key_label(label)) << label;
    EXPECT_FALSE(store->generate(KeyType::ed25519, label)) << label;
  }
  EXPECT_FALSE(valid_key_label(std::string(kMaxKeyLabel + 1, 'a')));
  EXPECT_FALSE(valid_key_label(std::string_view("a\0b", 3)));
}

TEST(HostKeyStore, refuses_folders_and_files_that_others_can_open) {
  test::TemporaryFolder folder;
  ASSERT_TRUE(HostKeyStore::open(folder / "keys"));
  ::chmod((folder / "keys").c_str(), 0755);
  EXPECT_FALSE(HostKeyStore::open(folder / "keys"));
  ::chmod((folder / "keys").c_str(), 0700);
  const auto store = HostKeyStore::open(folder / "keys");
  ASSERT_TRUE(store && store->generate(KeyType::ed25519));
  ::chmod((folder / "keys/ed25519.the_default").c_str(), 0644);
  const auto key = store->load(KeyType::ed25519);
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().find("too open"), std::string::npos);
  // It is there, though unusable: the next start must not put another one in its place.
  EXPECT_EQ(store->generate_missing()->size(), 4u);
  test::write_text(folder / "file", "");
  EXPECT_FALSE(HostKeyStore::open(folder / "file"));
  EXPECT_FALSE(HostKeyStore::open(folder / "no/such"));
}

}  // namespace
}  // namespace sluice
