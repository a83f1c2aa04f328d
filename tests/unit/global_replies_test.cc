// Replies in the order of the requests, and host key proofs.
#include "control/global_replies.h"

#include <gtest/gtest.h>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/host_key_proofs.h"

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

}  // namespace
}  // namespace sluice
