// Replies in the order of the requests, host key proofs, and the words of rekey limits.
#include "control/global_replies.h"

#include <gtest/gtest.h>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/host_key_proofs.h"
#include "control/rekey_words.h"
#include "control/transport/crypto_policy.h"

namespace sluice {
namespace {

TEST(GlobalReplies, leave_in_the_order_of_their_requests_however_late_each_answer_comes) {
  std::vector<std::vector<uint8_t>> sent;
  GlobalReplies replies([&](std::vector<uint8_t> reply) { sent.push_back(std::move(reply)); });
  const auto first = replies.owe(), second = replies.owe(), third = replies.owe();
  const std::array<uint8_t, 2> data{7, 8};
  replies.answer(*third, true, data);
  replies.answer(*second, false, data);
  EXPECT_TRUE(sent.empty());
  replies.answer(*first, true, {});
  EXPECT_EQ(sent, (std::vector<std::vector<uint8_t>>{
                      {kMsgRequestSuccess}, {kMsgRequestFailure}, {kMsgRequestSuccess, 7, 8}}));
  EXPECT_EQ(replies.owed(), 0u);
  replies.answer(*replies.owe(), false, {});
  EXPECT_EQ(sent.size(), 4u);
}

TEST(GlobalReplies, are_owed_to_a_bound) {
  GlobalReplies replies([](std::vector<uint8_t>) {});
  const auto first = replies.owe();
  for (size_t i = 1; i < kMaxOwedReplies; ++i) ASSERT_TRUE(replies.owe());
  EXPECT_FALSE(replies.owe());
  replies.answer(*first, true, {});
  EXPECT_TRUE(replies.owe());
}

const std::vector<OfferedHostKey> kKeys{
    {{1, 1}, {"ssh-ed25519"}}, {{2, 2}, {"rsa-sha2-512", "rsa-sha2-256"}}, {{3, 3}, {"ecdsa-sha2-nistp256"}}};

TEST(HostKeyProofs, are_offered_of_keys_that_may_be_used) {
  const auto message = write_host_keys_request(kKeys, {"rsa-sha2-256", "ssh-ed25519"});
  WireReader reader(message);
  EXPECT_EQ(reader.u8(), kMsgGlobalRequest);
  EXPECT_EQ(reader.text(), "hostkeys-00@openssh.com");
  EXPECT_FALSE(reader.boolean());
  EXPECT_EQ(reader.string()[0], 1);
  EXPECT_EQ(reader.string()[0], 2);
  EXPECT_TRUE(reader.ok() && reader.at_end());
}

TEST(HostKeyProofs, are_made_by_our_keys_alone_and_rsa_signs_as_was_agreed) {
  const auto request = WireWriter().string(kKeys[1].blob).string(kKeys[0].blob).take();
  const auto wanted = read_prove_request(request, kKeys, "rsa-sha2-256");
  ASSERT_TRUE(wanted);
  EXPECT_EQ((*wanted)[0].algorithm, "rsa-sha2-256");
  EXPECT_EQ((*wanted)[1].algorithm, "ssh-ed25519");
  EXPECT_EQ((*read_prove_request(request, kKeys, "ssh-ed25519"))[0].algorithm, "rsa-sha2-512");
  EXPECT_FALSE(read_prove_request({}, kKeys, "ssh-ed25519"));
  EXPECT_FALSE(read_prove_request(Bytes(request).first(request.size() - 1), kKeys, "ssh-ed25519"));
  EXPECT_FALSE(read_prove_request(WireWriter().string(bytes_of("stranger")).take(), kKeys, "ssh-ed25519"));
  WireWriter many;
  for (size_t i = 0; i <= kMaxProofKeys; ++i) many.string(kKeys[0].blob);
  EXPECT_FALSE(read_prove_request(many.view(), kKeys, "ssh-ed25519"));
  EXPECT_EQ(write_proofs({{9}, {8}}, 2), (std::vector<uint8_t>{0, 0, 0, 1, 9, 0, 0, 0, 1, 8}));
  EXPECT_FALSE(write_proofs({{9}, {}}, 2));
  EXPECT_FALSE(write_proofs({{9}}, 2));
}

TEST(RekeyWords, have_the_routers_ranges_and_our_own) {
  const auto router = router_rekey_limits(60, 1024);
  ASSERT_TRUE(router);
  EXPECT_EQ(router->volume_bytes, RekeyLimits{}.volume_bytes);
  EXPECT_EQ(router->time_ns, RekeyLimits{}.time_ns);
  EXPECT_TRUE(router_rekey_limits(30, 4095) && router_rekey_limits(1440, 1024));
  EXPECT_FALSE(router_rekey_limits(29, 1024) || router_rekey_limits(1441, 1024));
  EXPECT_FALSE(router_rekey_limits(60, 1023) || router_rekey_limits(60, 4096));
  EXPECT_TRUE(own_rekey_limits(1, 1 << 20));
  EXPECT_FALSE(own_rekey_limits(0, 1 << 20) || own_rekey_limits(1, (1 << 20) - 1));
  EXPECT_FALSE(own_rekey_limits(~uint64_t{0}, 1 << 20)) << "it would not fit";
}

TEST(CryptoPolicy, modern_has_no_nist_curve_in_exchange_or_host_keys_and_still_takes_users_keys) {
  for (const Role role : {Role::server, Role::client}) {
    const TransportConfig modern = transport_config(role, CryptoPolicy::modern);
    for (const NameList* names : {&modern.kex, &modern.host_keys}) {
      EXPECT_FALSE(names->empty());
      for (const std::string& name : *names) EXPECT_EQ(name.find("nistp"), name.npos) << name;
    }
    EXPECT_GE(modern.kex_options.min_modulus, 3072u);
    EXPECT_EQ(modern.signature_algorithms, default_transport_config(role).signature_algorithms);
    EXPECT_EQ(transport_config(role, CryptoPolicy::standard).kex, default_transport_config(role).kex);
  }
}

}  // namespace
}  // namespace sluice
