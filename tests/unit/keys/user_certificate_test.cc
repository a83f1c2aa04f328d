// What certificates of ssh-keygen let their users do, and why those that do not count let nobody in.
#include "control/keys/user_certificate.h"

#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice::test {
namespace {

constexpr int64_t kNow = 1700000000;  // November 2023

class UserCertificates : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"ca", "other", "key"})
      ASSERT_EQ(run("ssh-keygen -q -t ed25519 -N '' -f " + folder_.path() + "/" + name).status, 0);
  }
  Certificate certify(const std::string& options) {
    const Outcome done = run("ssh-keygen -q -s " + folder_.path() + "/ca -I id -V 20200101:20300101 " + options + " " +
                             folder_.path() + "/key.pub");
    EXPECT_EQ(done.status, 0) << done.output;
    return *parse_certificate_line(read_text(folder_ / "key-cert.pub"));
  }
  std::string line(const std::string& options, const std::string& key = "ca") {
    return options + " " + read_text(folder_ / (key + ".pub"));
  }
  CertifiedAdmission admit(const std::string& lines, const Certificate& certificate, std::string_view user = "ann",
                           int64_t now = kNow) {
    const auto file = AuthorizedKeys::parse(lines);
    EXPECT_TRUE(file.refused().empty());
    return admit_certificate(file.keys(), certificate, {user, now, "host.example", "192.0.2.1"});
  }
  std::string objection(const std::string& lines, const std::string& options) {
    const auto admission = admit(lines, certify(options));
    EXPECT_FALSE(admission.options) << lines << options;
    return admission.reason;
  }

  TemporaryFolder folder_;
};

TEST_F(UserCertificates, let_in_whom_they_name_where_their_authority_is_listed) {
  const Certificate made = certify("-n bob,ann");
  const auto admission = admit(line("cert-authority"), made);
  ASSERT_TRUE(admission.options) << admission.reason;
  EXPECT_TRUE(admission.options->pty && admission.options->port_forwarding && admission.options->user_rc);
  EXPECT_FALSE(admit(line("cert-authority"), made, "carl").options);
  EXPECT_FALSE(admit(line("cert-authority", "other"), made).options);
  EXPECT_EQ(admit(line("cert-authority", "other"), made).reason, "") << "it is no line of its authority's";
  EXPECT_FALSE(admit(line("pty"), made).options) << "an authority's plain key is no authority";
  EXPECT_FALSE(admit(line("pty", "key"), made).options) << "a line for the plain key says nothing of its certificate";
  EXPECT_TRUE(admit(line("cert-authority,expiry-time=\"20200101Z\"") + line("cert-authority"), made).options);
}

TEST_F(UserCertificates, name_one_of_the_line_s_principals_where_it_has_some) {
  const Certificate made = certify("-n admins,ann");
  EXPECT_TRUE(admit(line("cert-authority,principals=\"ops,admins\""), made, "carl").options);
  EXPECT_FALSE(admit(line("cert-authority,principals=\"ops\""), made).options) << "the user's own name is not asked";
  EXPECT_FALSE(admit(line("cert-authority,principals=\"admin*\""), made).options) << "names are no patterns";
}

TEST_F(UserCertificates, without_names_of_hosts_or_out_of_their_time_let_nobody_in) {
  EXPECT_NE(objection(line("cert-authority"), "").find("it does not name the user"), std::string::npos);
  EXPECT_NE(objection(line("cert-authority"), "-h -n ann").find("it is a host's certificate"), std::string::npos);
  const Certificate made = certify("-n ann");
  const auto begin = static_cast<int64_t>(made.valid_after), end = static_cast<int64_t>(made.valid_before);
  EXPECT_TRUE(admit(line("cert-authority"), made, "ann", begin).options);
  EXPECT_TRUE(admit(line("cert-authority"), made, "ann", end - 1).options);
  EXPECT_FALSE(admit(line("cert-authority"), made, "ann", begin - 1).options);
  EXPECT_FALSE(admit(line("cert-authority"), made, "ann", end).options);
}

TEST_F(UserCertificates, meet_the_conditions_of_the_line) {
  EXPECT_NE(objection(line("cert-authority,from=\"10.0.0.0/8\""), "-n ann").find("not from this address"),
            std::string::npos);
  EXPECT_NE(objection(line("cert-authority,expiry-time=\"20200101Z\""), "-n ann").find("expired"), std::string::npos);
  EXPECT_TRUE(admit(line("cert-authority,from=\"192.0.2.*\""), certify("-n ann")).options);
}

TEST_F(UserCertificates, are_bound_by_the_stricter_of_their_options_and_the_line_s) {
  const auto bare = admit(line("cert-authority"), certify("-n ann -O clear"));
  ASSERT_TRUE(bare.options);
  EXPECT_FALSE(bare.options->pty || bare.options->port_forwarding || bare.options->agent_forwarding ||
               bare.options->x11_forwarding || bare.options->user_rc);
  const auto some = admit(line("cert-authority,no-pty"), certify("-n ann -O no-agent-forwarding"));
  ASSERT_TRUE(some.options);
  EXPECT_TRUE(some.options->port_forwarding && some.options->x11_forwarding);
  EXPECT_FALSE(some.options->pty || some.options->agent_forwarding);
  const auto forced = admit(line("cert-authority"), certify("-n ann -O force-command='uptime -p'"));
  ASSERT_TRUE(forced.options);
  EXPECT_EQ(forced.options->command, "uptime -p");
  EXPECT_EQ(admit(line("cert-authority,command=\"ls\""), certify("-n ann")).options->command, "ls");
  EXPECT_TRUE(admit(line("cert-authority,command=\"ls\""), certify("-n ann -O force-command=ls")).options);
  EXPECT_NE(objection(line("cert-authority,command=\"ls\""), "-n ann -O force-command=id").find("forced command"),
            std::string::npos);
}

TEST_F(UserCertificates, say_where_from_they_count) {
  EXPECT_TRUE(admit(line("cert-authority"), certify("-n ann -O source-address=10.0.0.0/8,192.0.2.0/24")).options);
  EXPECT_NE(objection(line("cert-authority"), "-n ann -O source-address=10.0.0.0/8").find("not for this address"),
            std::string::npos);
}

TEST_F(UserCertificates, ask_for_the_touch_that_line_or_certificate_wants) {
  const auto touch = [&](const std::string& on_line, const std::string& options) {
    return admit(line("cert-authority" + on_line), certify("-n ann " + options)).options->touch;
  };
  EXPECT_TRUE(touch("", "").presence_required);
  EXPECT_TRUE(touch(",no-touch-required", "").presence_required);
  EXPECT_TRUE(touch("", "-O no-touch-required").presence_required);
  EXPECT_FALSE(touch(",no-touch-required", "-O no-touch-required").presence_required);
  EXPECT_FALSE(touch("", "").verification_required);
  EXPECT_TRUE(touch("", "-O verify-required").verification_required);
  EXPECT_TRUE(touch(",verify-required", "").verification_required);
}

TEST_F(UserCertificates, with_a_critical_option_that_is_not_understood_let_nobody_in) {
  EXPECT_NE(objection(line("cert-authority"), "-n ann -O critical:drink@example.com=tea").find("not understood: drink"),
            std::string::npos);
  EXPECT_TRUE(admit(line("cert-authority"), certify("-n ann -O extension:drink@example.com=tea")).options);
}

TEST_F(UserCertificates, whose_options_are_doubled_or_misshapen_let_nobody_in) {
  const Certificate made = certify("-n ann -O force-command=id");
  const auto with = [&](std::vector<CertificateOption> options) {
    Certificate bent = made;
    bent.critical_options = std::move(options);
    return admit(line("cert-authority"), bent).options.has_value();
  };
  const std::vector<uint8_t> id = made.critical_options[0].value;
  EXPECT_TRUE(with({{"force-command", id}}));
  EXPECT_FALSE(with({{"force-command", id}, {"force-command", id}}));
  EXPECT_FALSE(with({{"force-command", {}}}));
  EXPECT_FALSE(with({{"force-command", {0, 0, 0, 9, 'i', 'd'}}}));
  EXPECT_FALSE(with({{"force-command", {0, 0, 0, 1, 'i', 'd'}}}));
  EXPECT_FALSE(with({{"force-command", {0, 0, 0, 3, 'i', 0, 'd'}}}));
  EXPECT_FALSE(with({{"source-address", {0, 0, 0, 0}}}));
  EXPECT_FALSE(with({{"source-address", {0, 0, 0, 1, '*'}}}));
  EXPECT_FALSE(with({{"verify-required", {0}}}));
  Certificate weak = made;
  weak.signature_algorithm = "ssh-rsa";
  EXPECT_NE(admit(line("cert-authority"), weak).reason.find("signed with ssh-rsa"), std::string::npos);
}

}  // namespace
}  // namespace sluice::test
