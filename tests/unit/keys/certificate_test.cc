// Certificates that ssh-keygen made, whole and damaged, and what is said against those that do not count.
#include "control/keys/certificate.h"

#include "control/keys/base64.h"
#include "control/keys/known_hosts.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice::test {
namespace {

const std::vector<std::string> kModern{"ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256"};

class Certificates : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run("ssh-keygen -q -t ed25519 -N '' -f " + folder_.path() + "/ca").status, 0);
    ASSERT_EQ(run("ssh-keygen -q -t ed25519 -N '' -f " + folder_.path() + "/key").status, 0);
  }
  std::string certify(const std::string& options, const std::string& key = "key", const std::string& ca = "ca") {
    const Outcome done = run("ssh-keygen -q -s " + folder_.path() + "/" + ca + " -I 'the id' " + options + " " +
                             folder_.path() + "/" + key + ".pub");
    EXPECT_EQ(done.status, 0) << done.output;
    return read_text(folder_ / (key + "-cert.pub"));
  }
  PublicKey key_at(const std::string& name) {
    const std::string text = read_text(folder_ / (name + ".pub"));
    return parse_public_key_line(text)->key;
  }
  TemporaryFolder folder_;
};

TEST_F(Certificates, say_what_ssh_keygen_wrote_for_every_type_of_key) {
  for (const std::string type : {"ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048"}) {
    const std::string name = "key_" + type.substr(0, 3) + type.substr(type.size() - 3);
    ASSERT_EQ(run("ssh-keygen -q -t " + type + " -N '' -f " + folder_.path() + "/" + name).status, 0);
    const auto made = parse_certificate_line(certify("-n ann,bob -z 42 -V 20200101:20300101 -O force-command=x", name));
    ASSERT_TRUE(made) << type << ": " << describe(made.error());
    EXPECT_EQ(made->key, key_at(name));
    EXPECT_EQ(made->authority, key_at("ca"));
    EXPECT_EQ(made->kind, CertificateKind::user);
    EXPECT_EQ(made->serial, 42u);
    EXPECT_EQ(made->id, "the id");
    EXPECT_EQ(made->principals, (std::vector<std::string>{"ann", "bob"}));
    ASSERT_EQ(made->critical_options.size(), 1u);
    EXPECT_EQ(made->critical_options[0].name, "force-command");
    ASSERT_EQ(made->extensions.size(), 5u);
    EXPECT_EQ(made->extensions[0].name, "permit-X11-forwarding");
    EXPECT_LT(made->valid_after, made->valid_before);
    EXPECT_TRUE(is_certificate(made->blob));
    EXPECT_FALSE(is_certificate(made->key.blob()));
  }
}

TEST_F(Certificates, with_any_byte_changed_or_missing_are_refused) {
  const auto whole = parse_certificate_line(certify("-n ann"));
  ASSERT_TRUE(whole);
  for_each_damage(whole->blob, 1, [&](Bytes bent) { EXPECT_FALSE(Certificate::parse(bent)); });
  std::vector<uint8_t> longer = whole->blob;
  longer.push_back(0);
  EXPECT_EQ(Certificate::parse(longer).error(), KeyError::trailing_bytes);
}

TEST_F(Certificates, of_rsa_keys_that_are_too_short_are_refused) {
  ASSERT_EQ(run("ssh-keygen -q -t rsa -b 2048 -N '' -f " + folder_.path() + "/rsa").status, 0);
  const std::string text = certify("-n ann", "rsa");
  EXPECT_TRUE(parse_certificate_line(text));
  EXPECT_EQ(parse_certificate_line(text, {.min_rsa_bits = 3072}).error(), KeyError::key_too_short);
}

TEST_F(Certificates, speak_for_their_host_at_their_time_and_no_other) {
  const auto host = parse_certificate_line(certify("-h -n 'host.example,*.wild.example' -V 20200101:20300101"));
  ASSERT_TRUE(host);
  const auto at = [&](int64_t time, const std::string& name, const std::vector<std::string>& algorithms = kModern) {
    return objection_to_host(*host, name, time, algorithms);
  };
  const auto begin = static_cast<int64_t>(host->valid_after), end = static_cast<int64_t>(host->valid_before);
  EXPECT_EQ(at(begin, "host.example"), "");
  EXPECT_EQ(at(end - 1, "a.wild.example"), "");
  EXPECT_NE(at(end, "host.example").find("it expired at 2030-01-01"), std::string::npos);
  EXPECT_NE(at(begin - 1, "host.example").find("it is valid from 2020-01-01"), std::string::npos);
  EXPECT_NE(at(begin, "other.example").find("not for other.example"), std::string::npos);
  EXPECT_NE(at(begin, "host.example", {"rsa-sha2-512"}).find("CASignatureAlgorithms"), std::string::npos);
  const auto user = parse_certificate_line(certify("-n host.example"));
  EXPECT_NE(objection_to_host(*user, "host.example", begin, kModern), "");
}

TEST_F(Certificates, are_known_by_authorities_and_revoked_by_key_or_authority) {
  const auto host = parse_certificate_line(certify("-h -n host"));
  ASSERT_TRUE(host);
  const std::string ca = read_text(folder_ / "ca.pub"), key = read_text(folder_ / "key.pub");
  const auto verdict = [&](const std::string& text) {
    return KnownHosts::parse(text).lookup("host", 22, *host).verdict;
  };
  EXPECT_EQ(verdict("@cert-authority host " + ca), HostVerdict::found);
  EXPECT_EQ(verdict("@cert-authority other,h* " + ca), HostVerdict::found);
  EXPECT_EQ(verdict("@cert-authority other " + ca), HostVerdict::unknown);
  EXPECT_EQ(verdict("host " + ca), HostVerdict::unknown) << "a host's own key is no authority";
  EXPECT_EQ(verdict("@cert-authority host " + key), HostVerdict::unknown);
  EXPECT_EQ(verdict("@cert-authority host " + ca + "@revoked * " + key), HostVerdict::revoked);
  EXPECT_EQ(verdict("@cert-authority host " + ca + "@revoked * " + ca), HostVerdict::revoked);
  EXPECT_TRUE(KnownHosts::parse("@cert-authority * " + ca).has_authority("host", 2222));
  EXPECT_FALSE(KnownHosts::parse("host " + ca).has_authority("host", 22));
}

}  // namespace
}  // namespace sluice::test
