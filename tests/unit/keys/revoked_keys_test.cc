// Lists of revoked keys that ssh-keygen made, plain ones, and damaged ones.
#include "control/keys/revoked_keys.h"

#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice::test {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class RevokedKeys : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"authority", "other", "host", "another"}) {
      ASSERT_EQ(run("ssh-keygen -q -t ed25519 -N '' -f " + folder_ / name).status, 0);
    }
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  // A list of ssh-keygen's language, or of the files in `files`.
  std::string list(const std::string& specification, const std::string& more = "") {
    write("spec", specification);
    const Outcome made = run("cd " + folder_.path() + " && ssh-keygen -k -q -f krl " + more + " spec");
    EXPECT_EQ(made.status, 0) << made.output;
    return content(folder_ / "krl");
  }
  PublicKey key(const std::string& name) { return parse_public_key_line(content(folder_ / (name + ".pub")))->key; }
  Certificate certificate(const std::string& serial, const std::string& id = "web", const char* signer = "authority") {
    const Outcome made = run("cd " + folder_.path() + " && ssh-keygen -q -h -s " + signer + " -I " + id + " -z " +
                             serial + " -n host.test host.pub");
    EXPECT_EQ(made.status, 0) << made.output;
    return *parse_certificate_line(content(folder_ / "host-cert.pub"));
  }
  template <class Shown>
  static bool revoked(const std::string& file, const Shown& shown) {
    const auto answer = is_revoked(bytes_of(file), shown);
    EXPECT_TRUE(answer) << answer.error();
    return answer && *answer;
  }

  TemporaryFolder folder_;
};

TEST_F(RevokedKeys, Are_found_in_a_plain_list_with_what_their_key_signed) {
  const std::string text = "# lost\n\n" + content(folder_ / "host.pub") + content(folder_ / "other.pub");
  EXPECT_TRUE(revoked(text, key("host")));
  EXPECT_FALSE(revoked(text, key("another")));
  EXPECT_TRUE(revoked(text, certificate("7")));
  EXPECT_FALSE(revoked(content(folder_ / "another.pub"), certificate("7")));
  EXPECT_TRUE(revoked(content(folder_ / "authority.pub"), certificate("7")));
  certificate("7");
  EXPECT_TRUE(revoked(content(folder_ / "host-cert.pub"), key("host")));
  EXPECT_FALSE(revoked("", key("host")));
}

TEST_F(RevokedKeys, Are_found_by_key_and_by_either_hash) {
  const std::string text = content(folder_ / "host.pub");
  for (const char* word : {"key: ", "sha1: ", "sha256: "}) {
    const std::string file = list(word + text);
    EXPECT_TRUE(revoked(file, key("host"))) << word;
    EXPECT_TRUE(revoked(file, certificate("9"))) << word;
    EXPECT_FALSE(revoked(file, key("another"))) << word;
    EXPECT_FALSE(revoked(file, key("authority"))) << word;
  }
  EXPECT_TRUE(revoked(list("key: " + content(folder_ / "authority.pub")), certificate("9")));
}

TEST_F(RevokedKeys, Certificates_are_found_by_number_range_and_id_of_their_authority_alone) {
  // Numbers that lie close become a bitmap, far ones lists and ranges.
  const std::string file = list(
      "serial: 3\nserial: 5\nserial: 6-9\nserial: 1000000-2000000\nserial: 18446744073709551615\nid: lost laptop\n",
      "-s authority.pub");
  for (const char* serial : {"3", "5", "6", "9", "1000000", "1500000", "2000000", "18446744073709551615"})
    EXPECT_TRUE(revoked(file, certificate(serial))) << serial;
  for (const char* serial : {"0", "1", "4", "10", "999999", "2000001", "18446744073709551614"})
    EXPECT_FALSE(revoked(file, certificate(serial))) << serial;
  EXPECT_TRUE(revoked(file, certificate("1", "'lost laptop'")));
  EXPECT_FALSE(revoked(file, certificate("1", "'lost'")));
  EXPECT_FALSE(revoked(file, certificate("3", "web", "other")));
  EXPECT_FALSE(revoked(file, key("host"))) << "its plain key was not revoked";
  // Of any authority.
  const std::string any = list("serial: 3\nid: lost\n", "-s none");
  EXPECT_TRUE(revoked(any, certificate("3", "web", "other")));
  EXPECT_TRUE(revoked(any, certificate("8", "lost")));
  EXPECT_FALSE(revoked(any, certificate("4")));
}

TEST_F(RevokedKeys, Agrees_with_ssh_keygen_over_a_bitmap_of_many_numbers) {
  std::string specification;
  for (int serial = 1; serial < 300; serial += 1 + serial % 7)
    specification += "serial: " + std::to_string(serial) + "\n";
  const std::string file = list(specification, "-s authority.pub");
  for (int serial = 1; serial < 310; serial += 9) {
    const Certificate shown = certificate(std::to_string(serial));
    const bool theirs = run("cd " + folder_.path() + " && ssh-keygen -Q -f krl host-cert.pub").status != 0;
    EXPECT_EQ(revoked(file, shown), theirs) << serial;
  }
}

TEST_F(RevokedKeys, A_list_that_is_cut_off_or_strange_is_an_error_wherever_it_is_cut) {
  const std::string file = list(
      "serial: 3\nserial: 5\nserial: 100-200\nid: lost\nkey: " + content(folder_ / "another.pub"), "-s authority.pub");
  const Certificate shown = certificate("7");
  ASSERT_FALSE(revoked(file, shown));
  size_t whole = 0;
  // A list that ends between two sections is a whole one; there are three of them.
  for (size_t n = 1; n < file.size(); ++n) whole += is_revoked(bytes_of(file.substr(0, n)), shown) ? 1 : 0;
  EXPECT_LE(whole, 10u) << "but for the first bytes, which are text, and ends of sections";
  std::string other = file;
  other[11] = 9;
  EXPECT_FALSE(is_revoked(bytes_of(other), shown)) << "another format";
  EXPECT_FALSE(is_revoked(bytes_of(file + std::string("\x77\0\0\0\0", 5)), shown)) << "a section that nobody knows";
  // PROTOCOL.krl: extensions say themselves whether they may be skipped.
  const auto extension = [](char critical) {
    return std::string("\xff\0\0\0\x0a\0\0\0\1x", 10) + critical + std::string("\0\0\0\0", 4);
  };
  EXPECT_TRUE(is_revoked(bytes_of(file + extension('\0')), shown));
  EXPECT_FALSE(is_revoked(bytes_of(file + extension('\1')), shown));
  EXPECT_FALSE(is_revoked(bytes_of(std::string("nonsense\0\0", 10)), shown));
}

}  // namespace
}  // namespace sluice::test
