// known_hosts, against ssh-keygen's hashing and search.
#include "control/keys/known_hosts.h"

#include <algorithm>

#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::run;

const PublicKey& key_number(size_t n) {
  static std::vector<PublicKey> keys;
  while (keys.size() <= n) keys.push_back(PrivateKey::generate(KeyType::ed25519)->public_key());
  return keys[n];
}

// Grown before references to them are handed out.
const bool kGrown = (key_number(5), true);

std::string line(const std::string& names, size_t key) { return names + " " + to_text(key_number(key), "") + "\n"; }

TEST(KnownHosts, find_plain_names_patterns_and_ports) {
  ASSERT_TRUE(kGrown);
  const KnownHosts hosts = KnownHosts::parse("# c\n" + line("a.example,10.0.0.1", 0) + line("[b.example]:2222", 1) +
                                             line("*.wild.example,!not.wild.example", 2));
  EXPECT_TRUE(hosts.refused().empty());
  EXPECT_EQ(hosts.lookup("A.example", 22, key_number(0)).verdict, HostVerdict::found);
  EXPECT_EQ(hosts.lookup("a.example", 22, key_number(0)).line, 2u);
  EXPECT_EQ(hosts.lookup("10.0.0.1", 22, key_number(0)).verdict, HostVerdict::found);
  EXPECT_EQ(hosts.lookup("a.example", 2222, key_number(0)).verdict, HostVerdict::unknown);
  EXPECT_EQ(hosts.lookup("b.example", 2222, key_number(1)).verdict, HostVerdict::found);
  EXPECT_EQ(hosts.lookup("b.example", 22, key_number(1)).verdict, HostVerdict::unknown);
  EXPECT_EQ(hosts.lookup("x.wild.example", 22, key_number(2)).verdict, HostVerdict::found);
  EXPECT_EQ(hosts.lookup("not.wild.example", 22, key_number(2)).verdict, HostVerdict::unknown);
  const HostAnswer changed = hosts.lookup("a.example", 22, key_number(1));
  EXPECT_EQ(changed.verdict, HostVerdict::changed);
  EXPECT_EQ(changed.line, 2u);
}

TEST(KnownHosts, call_a_key_of_a_new_type_changed) {
  const KnownHosts hosts = KnownHosts::parse(line("h", 0));
  const auto ecdsa = PrivateKey::generate(KeyType::ecdsa_nistp256);
  EXPECT_EQ(hosts.lookup("h", 22, ecdsa->public_key()).verdict, HostVerdict::changed);
  EXPECT_EQ(hosts.keys_of("h", 22).size(), 1u);
  EXPECT_TRUE(hosts.keys_of("i", 22).empty());
}

TEST(KnownHosts, obey_markers) {
  const KnownHosts hosts =
      KnownHosts::parse(line("h", 0) + line("@revoked *", 0) + line("@cert-authority *", 1) + line("@nonsense h", 2));
  EXPECT_EQ(hosts.lookup("h", 22, key_number(0)).verdict, HostVerdict::revoked);
  EXPECT_EQ(hosts.lookup("i", 22, key_number(0)).verdict, HostVerdict::revoked);
  EXPECT_EQ(hosts.lookup("i", 22, key_number(1)).verdict, HostVerdict::unknown);
  EXPECT_EQ(hosts.refused(), std::vector<size_t>{4});
}

TEST(KnownHosts, hashed_by_ssh_keygen_are_found_and_ours_by_it) {
  test::TemporaryFolder folder;
  const std::string path = folder / "known_hosts";
  test::write_text(path, line("h.example", 0) + line("[h.example]:2222", 1));
  ASSERT_EQ(run("ssh-keygen -H -f " + path).status, 0);
  const auto theirs = KnownHosts::load(path);
  ASSERT_TRUE(theirs) << theirs.error();
  EXPECT_EQ(theirs->text().find("h.example"), std::string::npos);
  EXPECT_EQ(theirs->lookup("h.example", 22, key_number(0)).verdict, HostVerdict::found);
  EXPECT_EQ(theirs->lookup("h.example", 2222, key_number(1)).verdict, HostVerdict::found);
  EXPECT_EQ(theirs->lookup("g.example", 22, key_number(0)).verdict, HostVerdict::unknown);

  KnownHosts ours;
  ASSERT_TRUE(ours.add("h.example", 22, key_number(2), HostNaming::hashed));
  ASSERT_TRUE(ours.add("h.example", 2222, key_number(3), HostNaming::plain));
  ASSERT_TRUE(ours.save(path));
  const auto hashed = run("ssh-keygen -F h.example -f " + path);
  EXPECT_NE(hashed.output.find(to_text(key_number(2), "")), std::string::npos) << hashed.output;
  const auto plain = run("ssh-keygen -F '[h.example]:2222' -f " + path);
  EXPECT_NE(plain.output.find(to_text(key_number(3), "")), std::string::npos) << plain.output;
  const auto again = KnownHosts::load(path);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text(), ours.text());
}

TEST(KnownHosts, an_absent_file_is_empty_and_one_that_others_may_write_is_used) {
  test::TemporaryFolder folder;
  const auto hosts = KnownHosts::load(folder / "absent");
  ASSERT_TRUE(hosts);
  EXPECT_TRUE(hosts->text().empty());
  test::write_text(folder / "open", line("h", 0));
  std::filesystem::permissions(folder / "open", std::filesystem::perms(0666));
  const auto open = KnownHosts::load(folder / "open");
  ASSERT_TRUE(open) << open.error();
  EXPECT_EQ(open->lookup("h", 22, key_number(0)).verdict, HostVerdict::found);
  EXPECT_TRUE(KnownHosts::everybody_may_write(folder / "open"));
}

TEST(KnownHosts, are_saved_through_links_with_the_mode_they_had) {
  test::TemporaryFolder folder;
  test::write_text(folder / "real", line("h", 0));
  std::filesystem::permissions(folder / "real", std::filesystem::perms(0664));
  std::filesystem::create_symlink(folder / "real", folder / "link");
  auto hosts = KnownHosts::load(folder / "link");
  ASSERT_TRUE(hosts && hosts->add("i", 22, key_number(1), HostNaming::plain) && hosts->save(folder / "link"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(test::read_text(folder / "real"), line("h", 0) + line("i", 1));
  EXPECT_EQ(std::filesystem::status(folder / "real").permissions(), std::filesystem::perms(0664));
}

TEST(KnownHosts, add_refuses_names_that_the_file_would_read_otherwise) {
  KnownHosts hosts;
  for (const std::string name : {"", "a b", "a,b", "*", "!a", "#a", "@revoked", "|1|", "a\nb", "[a]"})
    EXPECT_FALSE(hosts.add(name, 22, key_number(0), HostNaming::plain)) << name;
  EXPECT_FALSE(hosts.add("a", 22, key_number(0), HostNaming::plain, "two\nlines"));
  EXPECT_TRUE(hosts.text().empty());
}

TEST(KnownHosts, replace_keeps_the_proven_and_forgets_the_rest) {
  const std::string foreign = "something unreadable\n" + line("@revoked h", 5);
  KnownHosts hosts = KnownHosts::parse(foreign + line("h", 0) + line("h,other", 1) + line("*", 2) + line("h", 3));
  const PublicKey keys[] = {key_number(3), key_number(4), key_number(4), key_number(5)};
  const auto update = hosts.replace("h", 22, keys, HostNaming::plain);
  ASSERT_TRUE(update) << update.error();
  EXPECT_EQ(update->added, 1u);
  EXPECT_EQ(update->removed, 2u);
  EXPECT_EQ(update->kept_for_pattern, 1u);
  EXPECT_EQ(hosts.text(), foreign + line("other", 1) + line("*", 2) + line("h", 3) + line("h", 4));
  EXPECT_EQ(hosts.lookup("h", 22, key_number(4)).verdict, HostVerdict::found);
  EXPECT_EQ(hosts.lookup("other", 22, key_number(1)).verdict, HostVerdict::found);
  EXPECT_FALSE(hosts.replace("h", 22, {}, HostNaming::plain));
}

TEST(KnownHosts, remove_takes_the_host_out_of_hashed_and_plain_lines) {
  KnownHosts hosts = KnownHosts::parse(line("h", 0) + line("H,i", 1) + line(hash_host_name("h"), 2) + line("j", 3));
  EXPECT_EQ(hosts.remove("h", 22), 3u);
  EXPECT_EQ(hosts.text(), line("i", 1) + line("j", 3));
  EXPECT_EQ(hosts.remove("h", 22), 0u);
}

TEST(KnownHosts, with_any_byte_cut_or_bent_never_harm) {
  const std::string text = line("h,[i]:22,*.j,!k", 0) + line(hash_host_name("h"), 1) + line("@revoked h", 2);
  test::for_each_damage(bytes_of(text), 1, [](Bytes bent) {
    KnownHosts hosts = KnownHosts::parse(text_of(bent));
    (void)hosts.lookup("h", 22, key_number(0));
    (void)hosts.remove("h", 22);
    (void)hosts.text();
  });
}

}  // namespace
}  // namespace sluice
