// Every method between our client and our server, and every lie that a peer could tell in one.
#include "control/kex/kex_method.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/wire.h"
#include "control/kex/kem.h"
#include "tests/unit/kex/kex_vectors.h"

namespace sluice {
namespace {

const Payload kHostKey = {1, 2, 3};
const Payload kSignature = {4, 5};

Payload answer_of(Result<KexStep> step) {
  EXPECT_TRUE(step);
  return step && std::holds_alternative<Payload>(*step) ? std::get<Payload>(*step) : Payload{};
}

KexAgreed agreed_of(Result<KexStep> step) {
  EXPECT_TRUE(step && std::holds_alternative<KexAgreed>(*step));
  return step && std::holds_alternative<KexAgreed>(*step) ? std::move(std::get<KexAgreed>(*step)) : KexAgreed{};
}

ErrorCode error_of(const Result<KexStep>& step) {
  EXPECT_FALSE(step);
  return step ? ErrorCode::count_ : step.error();
}

// A client and a server that have come to where the client's public value is next.
struct Pair {
  explicit Pair(const KexMethod& method, const KexOptions& options = {})
      : client(start_kex_client(method, options)), server(start_kex_server(method, options)) {
    init = client->open();
    if (method.make_agreement == nullptr) {
      const Payload group = answer_of(server->take(init));
      init = answer_of(client->take(group));
    }
  }

  std::unique_ptr<KexClient> client;
  std::unique_ptr<KexServer> server;
  Payload init;
};

const KexMethod& method_of(std::string_view name) { return *find_kex_method(name); }

class EveryMethod : public testing::TestWithParam<KexMethod> {};

std::string test_name(const testing::TestParamInfo<KexMethod>& info) {
  std::string name(info.param.name);
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kex, EveryMethod, testing::ValuesIn(kex_methods().begin(), kex_methods().end()), test_name);

TEST_P(EveryMethod, Gives_both_sides_the_same_secret_and_fields) {
  Pair pair(GetParam());
  const KexAgreed ours = agreed_of(pair.server->take(pair.init));
  const KexAgreed theirs = agreed_of(pair.client->take(pair.server->reply(kHostKey, kSignature)));
  EXPECT_EQ(to_hex(ours.shared.view()), to_hex(theirs.shared.view()));
  EXPECT_EQ(ours.hash_fields, theirs.hash_fields);
  EXPECT_EQ(theirs.host_key, kHostKey);
  EXPECT_EQ(theirs.signature, kSignature);
  EXPECT_GT(ours.shared.size(), 4u);
}

TEST_P(EveryMethod, May_be_prepared_or_not_and_twice) {
  const auto client = start_kex_client(GetParam(), {});
  const auto server = start_kex_server(GetParam(), {});
  for (int i = 0; i < 2; ++i) {
    client->prepare();
    server->prepare();
  }
  Payload init = client->open();
  if (GetParam().make_agreement == nullptr) {
    init = answer_of(client->take(answer_of(server->take(init))));
    server->prepare();
  }
  const KexAgreed ours = agreed_of(server->take(init));
  const KexAgreed theirs = agreed_of(client->take(server->reply({}, {})));
  EXPECT_EQ(to_hex(ours.shared.view()), to_hex(theirs.shared.view()));
}

TEST_P(EveryMethod, Uses_new_keys_every_time) { EXPECT_NE(Pair(GetParam()).init, Pair(GetParam()).init); }

TEST_P(EveryMethod, Refuses_missing_and_trailing_bytes) {
  Pair pair(GetParam());
  Payload cut = pair.init;
  cut.pop_back();
  EXPECT_EQ(error_of(Pair(GetParam()).server->take(cut)), ErrorCode::malformed_message);
  Payload longer = pair.init;
  longer.push_back(0);
  EXPECT_EQ(error_of(Pair(GetParam()).server->take(longer)), ErrorCode::malformed_message);

  agreed_of(pair.server->take(pair.init));
  Payload reply = pair.server->reply(kHostKey, kSignature);
  reply.push_back(0);
  EXPECT_EQ(error_of(pair.client->take(reply)), ErrorCode::malformed_message);
}

TEST_P(EveryMethod, Refuses_messages_out_of_their_order) {
  Pair pair(GetParam());
  Payload other = pair.init;
  other[0] = 99;
  EXPECT_EQ(error_of(pair.server->take(other)), ErrorCode::unexpected_message);
  EXPECT_EQ(error_of(pair.server->take({})), ErrorCode::unexpected_message);
  EXPECT_EQ(error_of(pair.client->take(pair.init)), ErrorCode::unexpected_message);
  EXPECT_EQ(error_of(start_kex_client(GetParam(), {})->take(pair.init)), ErrorCode::unexpected_message);

  agreed_of(pair.server->take(pair.init));
  EXPECT_EQ(error_of(pair.server->take(pair.init)), ErrorCode::unexpected_message);
  const Payload reply = pair.server->reply(kHostKey, kSignature);
  agreed_of(pair.client->take(reply));
  EXPECT_EQ(error_of(pair.client->take(reply)), ErrorCode::unexpected_message);
}

Payload init_with(const Payload& init, Bytes client_public) {
  return WireWriter().u8(init[0]).string(client_public).take();
}

ErrorCode error_for_client_public(const KexMethod& method, Bytes client_public) {
  Pair pair(method);
  return error_of(pair.server->take(init_with(pair.init, client_public)));
}

ErrorCode error_for_server_public(const KexMethod& method, Bytes server_public) {
  Pair pair(method);
  const auto number = static_cast<uint8_t>(pair.init[0] + 1);
  return error_of(
      pair.client->take(WireWriter().u8(number).string(kHostKey).string(server_public).string(kSignature).take()));
}

void expect_refused(const KexMethod& method, Bytes value, ErrorCode error) {
  EXPECT_EQ(error_for_client_public(method, value), error) << method.name << " " << to_hex(value).substr(0, 40);
  EXPECT_EQ(error_for_server_public(method, value), error) << method.name << " " << to_hex(value).substr(0, 40);
}

TEST_P(EveryMethod, Refuses_an_empty_public_value) {
  const bool dh = GetParam().name.starts_with("diffie");
  expect_refused(GetParam(), {}, dh ? ErrorCode::key_exchange_value : ErrorCode::malformed_message);
}

TEST(KexMethods, Are_found_by_name_and_the_weak_ones_are_off) {
  EXPECT_EQ(kex_methods().front().name, "mlkem768x25519-sha256");
  EXPECT_EQ(find_kex_method("curve25519-sha256"), &kex_methods()[3]);
  EXPECT_EQ(find_kex_method("curve25519-sha25"), nullptr);
  for (const KexMethod& method : kex_methods()) {
    EXPECT_EQ(method.on_by_default, method.hash != HashId::sha1) << method.name;
    EXPECT_EQ(method.post_quantum, method.kem != nullptr) << method.name;
  }
}

TEST(KexX25519, Small_order_points_and_wrong_lengths_are_refused) {
  const KexMethod& method = method_of("curve25519-sha256");
  for (std::string_view point : {"0000000000000000000000000000000000000000000000000000000000000000",
                                 "0100000000000000000000000000000000000000000000000000000000000000",
                                 "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                 "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                 "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                 "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    expect_refused(method, from_hex(point), ErrorCode::key_exchange_value);
  }
  expect_refused(method, Payload(31, 9), ErrorCode::malformed_message);
  expect_refused(method, Payload(33, 9), ErrorCode::malformed_message);
}

TEST(KexEcdh, Points_off_the_curve_compressed_or_of_another_length_are_refused) {
  for (std::string_view name : {"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"}) {
    const KexMethod& method = method_of(name);
    const Payload init = Pair(method).init;
    Payload point(init.begin() + 5, init.end());
    const size_t coordinate = (point.size() - 1) / 2;

    Payload off = point;
    off.back() ^= 1;
    expect_refused(method, off, ErrorCode::key_exchange_value);
    Payload zero(point.size());
    zero[0] = 4;
    expect_refused(method, zero, ErrorCode::key_exchange_value);
    Payload beyond(point.size(), 0xff);
    beyond[0] = 4;
    expect_refused(method, beyond, ErrorCode::key_exchange_value);

    Payload compressed(point.begin(), point.begin() + 1 + static_cast<ptrdiff_t>(coordinate));
    compressed[0] = static_cast<uint8_t>(2 + (point.back() & 1));
    expect_refused(method, compressed, ErrorCode::malformed_message);
    Payload hybrid = point;
    hybrid[0] = static_cast<uint8_t>(6 + (point.back() & 1));
    expect_refused(method, hybrid, ErrorCode::malformed_message);
    expect_refused(method, Payload{0}, ErrorCode::malformed_message);
    point.push_back(0);
    expect_refused(method, point, ErrorCode::malformed_message);
  }
}

TEST(KexHybrid, Wrong_lengths_bad_keys_and_small_order_points_are_refused) {
  for (const KexMethod& method : kex_methods()) {
    if (method.kem == nullptr) continue;
    const Payload init = Pair(method).init;
    Payload value(init.begin() + 5, init.end());
    Payload longer = value;
    longer.push_back(0);
    expect_refused(method, longer, ErrorCode::malformed_message);
    Payload shorter = value;
    shorter.pop_back();
    expect_refused(method, shorter, ErrorCode::malformed_message);
    std::fill(value.end() - 32, value.end(), uint8_t{0});
    EXPECT_EQ(error_for_client_public(method, value), ErrorCode::key_exchange_value);
    EXPECT_EQ(error_for_server_public(method, Payload(method.kem->ciphertext_size + 32)),
              ErrorCode::key_exchange_value);
  }
  const KexMethod& mlkem = method_of("mlkem768x25519-sha256");
  const Payload init = Pair(mlkem).init;
  Payload value(init.begin() + 5, init.end());
  value[0] = value[1] = 0xff;
  EXPECT_EQ(error_for_client_public(mlkem, value), ErrorCode::key_exchange_value);
}

TEST(KexHybrid, The_secret_is_a_string_of_one_hash) {
  for (const KexMethod& method : kex_methods()) {
    if (method.kem == nullptr) continue;
    Pair pair(method);
    const KexAgreed agreed = agreed_of(pair.server->take(pair.init));
    EXPECT_EQ(agreed.shared.size(), 4 + hash_size(method.hash));
    EXPECT_EQ(load_be32(agreed.shared.data()), hash_size(method.hash));
  }
}

TEST(KexHybrid, A_forged_ciphertext_gives_the_client_another_secret) {
  for (const KexMethod& method : kex_methods()) {
    if (method.kem == nullptr) continue;
    Pair pair(method);
    const KexAgreed ours = agreed_of(pair.server->take(pair.init));
    Payload reply = pair.server->reply(kHostKey, kSignature);
    reply[1 + 4 + kHostKey.size() + 4 + 100] ^= 1;
    const KexAgreed theirs = agreed_of(pair.client->take(reply));
    EXPECT_NE(to_hex(ours.shared.view()), to_hex(theirs.shared.view()));
  }
}

TEST(KexClassical, The_secret_is_an_mpint_whatever_its_top_bits) {
  const KexMethod& method = method_of("curve25519-sha256");
  bool padded = false;
  bool plain = false;
  for (int i = 0; i < 64; ++i) {
    Pair pair(method);
    const KexAgreed agreed = agreed_of(pair.server->take(pair.init));
    WireReader reader(agreed.shared.view());
    const Bytes magnitude = reader.mpint();
    EXPECT_TRUE(reader.ok() && reader.at_end());
    EXPECT_LE(magnitude.size(), 32u);
    padded |= agreed.shared.size() == 4 + 33;
    plain |= agreed.shared.size() == 4 + 32;
  }
  EXPECT_TRUE(padded && plain);
}

}  // namespace
}  // namespace sluice
