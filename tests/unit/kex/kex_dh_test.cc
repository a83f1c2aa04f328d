// Classic Diffie-Hellman and group exchange: the values that a liar would send, and the choice of a group.
#include "control/kex/kex_dh.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/wire.h"
#include "control/kex/kex_method.h"
#include "control/kex/moduli.h"
#include "tests/unit/kex/kex_vectors.h"

namespace sluice {
namespace {

enum KexNumber : uint8_t { kInit = 30, kReply = 31, kGroup = 31, kGroupInit = 32, kGroupRequest = 34 };

const KexMethod& group14() { return *find_kex_method("diffie-hellman-group14-sha256"); }
const KexMethod& group_exchange() { return *find_kex_method("diffie-hellman-group-exchange-sha256"); }

ErrorCode refusal(const Result<KexStep>& step) { return step ? ErrorCode::count_ : step.error(); }

Payload modulus_of(unsigned bits) { return DhGroup::standard(bits)->modulus_bytes(); }

ErrorCode server_refusal(Bytes magnitude) {
  return refusal(start_kex_server(group14(), {})->take(WireWriter().u8(kInit).mpint(magnitude).take()));
}

ErrorCode client_refusal(Bytes magnitude) {
  const auto client = start_kex_client(group14(), {});
  client->open();
  return refusal(client->take(WireWriter().u8(kReply).string("key").mpint(magnitude).string("sig").take()));
}

void expect_refused(Bytes magnitude) {
  EXPECT_EQ(server_refusal(magnitude), ErrorCode::key_exchange_value) << to_hex(magnitude).substr(0, 40);
  EXPECT_EQ(client_refusal(magnitude), ErrorCode::key_exchange_value) << to_hex(magnitude).substr(0, 40);
}

TEST(KexDh, Values_outside_2_to_p_minus_2_are_refused) {
  Payload p = modulus_of(2048);
  expect_refused({});
  expect_refused(Payload{1});
  expect_refused(p);
  p.back() = static_cast<uint8_t>(p.back() - 1);
  expect_refused(p);
  p[16] = static_cast<uint8_t>(p[16] + 1);
  expect_refused(p);
  expect_refused(Payload(257, 0x5a));
  expect_refused(Payload(5000, 0x5a));
}

TEST(KexDh, Values_with_few_bits_set_or_clear_are_refused) {
  Payload value(256);
  value[0] = 0x40;
  expect_refused(value);
  value[100] = 0x03;
  expect_refused(value);
  value[200] = 0x01;
  EXPECT_EQ(server_refusal(value), ErrorCode::count_);

  Payload ones(256, 0xff);
  // Below p, whose first 64 bits are set: two clear bits make it so.
  ones[7] = 0xfe;
  expect_refused(ones);
  ones[8] = 0x00;
  EXPECT_EQ(server_refusal(ones), ErrorCode::count_);
}

TEST(KexDh, Negative_and_padded_numbers_are_malformed) {
  for (const Payload& content :
       {Payload{0x80}, Payload(256, 0xff), Payload{0}, Payload{0, 0x7f}, Payload{0, 0, 0x80}}) {
    const Payload init = WireWriter().u8(kInit).string(content).take();
    EXPECT_EQ(refusal(start_kex_server(group14(), {})->take(init)), ErrorCode::malformed_message);
  }
}

TEST(KexDh, The_groups_are_those_of_the_RFCs) {
  for (unsigned bits : {1024u, 2048u, 3072u, 4096u, 6144u, 8192u}) {
    const Payload p = modulus_of(bits);
    ASSERT_EQ(p.size(), bits / 8);
    EXPECT_EQ(to_hex(Bytes(p).first(16)), "ffffffffffffffffc90fdaa22168c234");
    EXPECT_EQ(to_hex(Bytes(p).last(8)), "ffffffffffffffff");
  }
  // The last words before the ones, as RFC 2409 and RFC 3526 print them.
  EXPECT_EQ(to_hex(Bytes(modulus_of(1024)).last(12)), "ece65381ffffffffffffffff");
  EXPECT_EQ(to_hex(Bytes(modulus_of(2048)).last(12)), "8aacaa68ffffffffffffffff");
  EXPECT_EQ(DhGroup::standard(2049), nullptr);
}

struct Request {
  uint32_t min;
  uint32_t preferred;
  uint32_t max;
};

Payload encode(const Request& r) {
  return WireWriter().u8(kGroupRequest).u32(r.min).u32(r.preferred).u32(r.max).take();
}

// Bits of the group that the server answers with, 0 where it refuses.
unsigned chosen_bits(const Request& request, const KexOptions& options = {}) {
  const auto server = start_kex_server(group_exchange(), options);
  const auto step = server->take(encode(request));
  if (!step) return 0;
  const Payload& group = std::get<Payload>(*step);
  WireReader reader(group);
  EXPECT_EQ(reader.u8(), kGroup);
  return static_cast<unsigned>(reader.mpint().size() * 8);
}

TEST(KexGroupExchange, The_server_takes_the_smallest_group_that_is_large_enough) {
  EXPECT_EQ(chosen_bits({2048, 2048, 8192}), 2048u);
  EXPECT_EQ(chosen_bits({2048, 2049, 8192}), 3072u);
  EXPECT_EQ(chosen_bits({2048, 8192, 8192}), 8192u);
  EXPECT_EQ(chosen_bits({1024, 1024, 8192}), 2048u);
  EXPECT_EQ(chosen_bits({2048, 7680, 8191}), 6144u);
  EXPECT_EQ(chosen_bits({2048, 16384, 16384}), 8192u);
}

TEST(KexGroupExchange, The_server_refuses_sizes_that_it_cannot_or_will_not_serve) {
  EXPECT_EQ(chosen_bits({1024, 1024, 1024}), 0u);
  EXPECT_EQ(chosen_bits({1024, 1024, 2047}), 0u);
  EXPECT_EQ(chosen_bits({2049, 2500, 3000}), 0u);
  EXPECT_EQ(chosen_bits({3072, 2048, 8192}), 0u);
  EXPECT_EQ(chosen_bits({2048, 8192, 4096}), 0u);
  EXPECT_EQ(chosen_bits({0xffffffff, 0xffffffff, 0xffffffff}), 0u);
  KexOptions strict;
  strict.min_modulus = 4096;
  EXPECT_EQ(chosen_bits({2048, 2048, 8192}, strict), 4096u);
  EXPECT_EQ(chosen_bits({2048, 2048, 3072}, strict), 0u);
}

TEST(KexGroupExchange, Requests_of_the_old_kind_cut_or_with_more_are_refused) {
  const auto server = start_kex_server(group_exchange(), {});
  EXPECT_EQ(refusal(server->take(WireWriter().u8(30).u32(2048).take())), ErrorCode::unexpected_message);
  Payload request = encode({2048, 2048, 8192});
  request.push_back(0);
  EXPECT_EQ(refusal(server->take(request)), ErrorCode::malformed_message);
  request.pop_back();
  request.pop_back();
  EXPECT_EQ(refusal(server->take(request)), ErrorCode::malformed_message);
}

ErrorCode group_refusal(Bytes modulus, Bytes generator, const KexOptions& options = {}) {
  const auto client = start_kex_client(group_exchange(), options);
  client->open();
  return refusal(client->take(WireWriter().u8(kGroup).mpint(modulus).mpint(generator).take()));
}

TEST(KexGroupExchange, The_client_refuses_groups_outside_its_bounds_or_without_sense) {
  const Payload two = {2};
  const Payload p = modulus_of(2048);
  EXPECT_EQ(group_refusal(p, two), ErrorCode::count_);
  EXPECT_EQ(group_refusal(modulus_of(1024), two), ErrorCode::key_exchange_value);
  Payload larger = modulus_of(8192);
  larger.push_back(1);
  EXPECT_EQ(group_refusal(larger, two), ErrorCode::key_exchange_value);
  KexOptions narrow;
  narrow.max_modulus = 4096;
  EXPECT_EQ(group_refusal(modulus_of(6144), two, narrow), ErrorCode::key_exchange_value);
  Payload even = p;
  even.back() = 0xfe;
  EXPECT_EQ(group_refusal(even, two), ErrorCode::key_exchange_value);
  EXPECT_EQ(group_refusal({}, two), ErrorCode::key_exchange_value);
  for (const Payload& generator : {Payload{}, Payload{1}, even, p, modulus_of(3072)}) {
    EXPECT_EQ(group_refusal(p, generator), ErrorCode::key_exchange_value);
  }
}

// Modulo 2^2048 - 1 every power of 2 has one bit: whoever looked for one with more would look for ever, before the host
// key was looked at.
TEST(KexGroupExchange, A_group_without_a_public_value_is_refused_and_not_searched) {
  const Payload mersenne(256, 0xff);
  for (const uint8_t generator : {uint8_t{2}, uint8_t{4}, uint8_t{0x80}})
    EXPECT_EQ(group_refusal(mersenne, Payload{generator}), ErrorCode::key_exchange_value);
}

// Modulo 3^1293, powers of multiples of 3 vanish.
TEST(KexGroupExchange, A_secret_that_vanishes_modulo_a_composite_is_refused) {
  const Bignum modulus(BN_new());
  BN_set_word(modulus.get(), 1);
  while (BN_num_bits(modulus.get()) < 2048) BN_mul_word(modulus.get(), 3);
  Payload modulus_bytes(static_cast<size_t>(BN_num_bytes(modulus.get())));
  BN_bn2bin(modulus.get(), modulus_bytes.data());
  const auto group = DhGroup::from(modulus_bytes, Payload{2});
  ASSERT_TRUE(group);

  const Payload p = modulus_of(1024);
  const Bignum peer(BN_bin2bn(p.data(), static_cast<int>(p.size()), nullptr));
  BN_mul_word(peer.get(), 3);
  Payload peer_bytes(static_cast<size_t>(BN_num_bytes(peer.get())));
  BN_bn2bin(peer.get(), peer_bytes.data());
  const auto answer = DhAgreement(*group).respond(mpint_content(peer_bytes));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), ErrorCode::key_exchange_value);
}

TEST(KexGroupExchange, The_fields_hold_the_request_the_group_and_both_values) {
  KexOptions options;
  options.preferred_modulus = 2048;
  const auto client = start_kex_client(group_exchange(), options);
  const auto server = start_kex_server(group_exchange(), options);
  const Payload group = std::get<Payload>(*server->take(client->open()));
  const Payload init = std::get<Payload>(*client->take(group));
  const auto agreed = server->take(init);
  ASSERT_TRUE(agreed);
  WireReader reader(std::get<KexAgreed>(*agreed).hash_fields);
  EXPECT_EQ(reader.u32(), 2048u);
  EXPECT_EQ(reader.u32(), 2048u);
  EXPECT_EQ(reader.u32(), 8192u);
  EXPECT_EQ(to_hex(reader.mpint()), to_hex(modulus_of(2048)));
  EXPECT_EQ(to_hex(reader.mpint()), "02");
  EXPECT_EQ(to_hex(reader.string()), to_hex(Bytes(init).subspan(5)));
  EXPECT_FALSE(reader.mpint().empty());
  EXPECT_TRUE(reader.ok() && reader.at_end());
}

std::string moduli_line(unsigned bits, std::string_view tail = {}) {
  return "20240101000000 2 6 100 " + std::to_string(bits - 1) + " 2 " + to_hex(modulus_of(bits)) + std::string(tail) +
         "\n";
}

TEST(KexModuli, Rows_of_tested_safe_primes_are_read) {
  const std::string p = to_hex(modulus_of(2048));
  const std::string text = "# Time Type Tests Tries Size Generator Modulus\n\n" + moduli_line(2048) +
                           moduli_line(4096) + "20240101000000 2 6 100 2047 5 " + p + "\r\n" +
                           // Not safe, composite, untested, untried, of another size, even, without sense, cut.
                           "20240101000000 4 6 100 2047 2 " + p + "\n" + "20240101000000 2 7 100 2047 2 " + p + "\n" +
                           "20240101000000 2 0 100 2047 2 " + p + "\n" + "20240101000000 2 6 0 2047 2 " + p + "\n" +
                           "20240101000000 2 6 100 2048 2 " + p + "\n" + "20240101000000 2 6 100 2047 2 " +
                           p.substr(0, p.size() - 1) + "e\n" + "20240101000000 2 6 100 2047 1 " + p + "\n" +
                           "20240101000000 2 6 100 2047 2 xyz\n" + "20240101000000 2 6 100 2047\n" +
                           moduli_line(2048, " more") + "20240101000000 2 6 100 4294967295 2 " + p;
  EXPECT_EQ(Moduli::parse(text).size(), 3u);
  EXPECT_EQ(Moduli::parse("").size(), 0u);
}

TEST(KexModuli, The_closest_size_is_chosen_and_every_row_of_it_sometimes) {
  const std::string p = to_hex(modulus_of(3072));
  const Moduli moduli =
      Moduli::parse(moduli_line(2048) + moduli_line(3072) + "2 2 6 100 3071 5 " + p + "\n" + moduli_line(4096));
  ASSERT_EQ(moduli.size(), 4u);
  EXPECT_EQ(moduli.choose(2048, 2048, 8192)->bits, 2048u);
  EXPECT_EQ(moduli.choose(2048, 3000, 8192)->bits, 3072u);
  EXPECT_EQ(moduli.choose(2048, 8192, 8192)->bits, 4096u);
  EXPECT_EQ(moduli.choose(2048, 8192, 4000)->bits, 3072u);
  EXPECT_EQ(moduli.choose(5000, 6000, 8192), nullptr);
  bool second = false;
  bool fifth = false;
  for (int i = 0; i < 100; ++i) {
    const Moduli::Row* row = moduli.choose(3072, 3072, 3072);
    second |= row->generator == Payload{2};
    fifth |= row->generator == Payload{5};
  }
  EXPECT_TRUE(second && fifth);
}

TEST(KexModuli, The_server_uses_the_file_before_the_standard_groups) {
  const Moduli moduli = Moduli::parse("2 2 6 100 4095 5 " + to_hex(modulus_of(4096)) + "\n");
  KexOptions options;
  options.moduli = &moduli;
  EXPECT_EQ(chosen_bits({2048, 2048, 8192}, options), 4096u);
  EXPECT_EQ(chosen_bits({2048, 2048, 3072}, options), 2048u);
}

}  // namespace
}  // namespace sluice
