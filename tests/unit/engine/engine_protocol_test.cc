// What SSH and TLS ask of a cipher beyond data: counted IVs, tags, records whose AAD is given first; and processes that
// fork and threads that share nothing but the module.
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "tests/unit/engine/loaded_modules.h"

namespace sluice::test {
namespace {

using Buffer = std::vector<uint8_t>;

Buffer random_bytes(size_t n) {
  Buffer out(n);
  RAND_bytes(out.data(), static_cast<int>(n));
  return out;
}

int control(const Context& context, int command, int number, void* pointer) {
  const int result = EVP_CIPHER_CTX_ctrl(context.get(), command, number, pointer);
  ERR_clear_error();
  return result;
}

class Protocol : public testing::TestWithParam<Way> {
 protected:
  // A packet as OpenSSH makes it: the IV is counted on, four bytes of AAD, EVP_Cipher throughout, the tag behind.
  static Buffer ssh_packet(const Context& context, bool encrypt, Bytes packet, bool* fine) {
    uint8_t last_iv[1];
    *fine = control(context, EVP_CTRL_GCM_IV_GEN, 1, last_iv) == 1;
    Buffer out(packet.begin(), packet.end());
    const size_t body = packet.size() - 4 - (encrypt ? 0 : 16);
    if (!encrypt) *fine = *fine && control(context, EVP_CTRL_GCM_SET_TAG, 16, out.data() + 4 + body) == 1;
    *fine = *fine && EVP_Cipher(context.get(), nullptr, out.data(), 4) >= 0;
    *fine = *fine && EVP_Cipher(context.get(), out.data() + 4, packet.data() + 4, static_cast<unsigned>(body)) >= 0;
    *fine = *fine && EVP_Cipher(context.get(), nullptr, nullptr, 0) >= 0;
    out.resize(4 + body + (encrypt ? 16 : 0));
    if (encrypt) *fine = *fine && control(context, EVP_CTRL_GCM_GET_TAG, 16, out.data() + 4 + body) == 1;
    return out;
  }
};

TEST_P(Protocol, Seals_and_opens_packets_as_openssh_does_beside_the_default) {
  const Buffer key = random_bytes(16);
  Buffer iv = random_bytes(12);
  std::fill(iv.end() - 2, iv.end(), uint8_t{0xff});
  Context ours = start(GetParam(), "AES-128-GCM", true, key, {});
  Context theirs = start(Way::default_provider, "AES-128-GCM", false, key, {});
  ASSERT_EQ(control(ours, EVP_CTRL_GCM_SET_IV_FIXED, -1, iv.data()), 1);
  ASSERT_EQ(control(theirs, EVP_CTRL_GCM_SET_IV_FIXED, -1, iv.data()), 1);
  for (const size_t size : {20u, 36u, 1000u, 32768u, 36u, 262144u}) {
    const Buffer packet = random_bytes(4 + size);
    bool fine = false;
    const Buffer sealed = ssh_packet(ours, true, packet, &fine);
    ASSERT_TRUE(fine);
    const Buffer opened = ssh_packet(theirs, false, sealed, &fine);
    ASSERT_TRUE(fine);
    EXPECT_EQ(opened, packet);
  }
  // What goes to the process that continues the connection.
  Buffer a(12), b(12);
  ASSERT_EQ(control(ours, EVP_CTRL_GCM_IV_GEN, 12, a.data()), 1);
  ASSERT_EQ(control(theirs, EVP_CTRL_GCM_IV_GEN, 12, b.data()), 1);
  EXPECT_EQ(a, b);
}

TEST_P(Protocol, Opens_openssh_s_packets_and_refuses_a_forged_one) {
  const Buffer key = random_bytes(32), iv = random_bytes(12);
  Context theirs = start(Way::default_provider, "AES-256-GCM", true, key, {});
  Context ours = start(GetParam(), "AES-256-GCM", false, key, {});
  ASSERT_EQ(control(theirs, EVP_CTRL_GCM_SET_IV_FIXED, -1, const_cast<uint8_t*>(iv.data())), 1);
  ASSERT_EQ(control(ours, EVP_CTRL_GCM_SET_IV_FIXED, -1, const_cast<uint8_t*>(iv.data())), 1);
  for (int i = 0; i < 5; ++i) {
    const Buffer packet = random_bytes(4 + 16u * static_cast<unsigned>(1 + i * 100));
    bool fine = false;
    Buffer sealed = ssh_packet(theirs, true, packet, &fine);
    if (i == 4) sealed[10] = static_cast<uint8_t>(sealed[10] ^ 1);
    const Buffer opened = ssh_packet(ours, false, sealed, &fine);
    EXPECT_EQ(fine, i != 4);
    if (fine) {
      EXPECT_EQ(opened, packet);
    }
  }
}

// TLS 1.2: one call a record, the AAD's length field adjusted by the cipher.
struct TlsCase {
  const char* name;
  int fixed;
  size_t explicit_bytes;
};

bool tls_record(const Context& context, uint64_t sequence, Buffer& record, size_t aad_length, int* result) {
  Buffer aad(13);
  store_be64(aad.data(), sequence);
  aad[8] = 23;
  aad[9] = 3;
  aad[10] = 3;
  aad[11] = static_cast<uint8_t>(aad_length >> 8);
  aad[12] = static_cast<uint8_t>(aad_length);
  if (control(context, EVP_CTRL_AEAD_TLS1_AAD, 13, aad.data()) != 16) return false;
  *result = EVP_Cipher(context.get(), record.data(), record.data(), static_cast<unsigned>(record.size()));
  ERR_clear_error();
  return true;
}

TEST_P(Protocol, Seals_and_opens_tls_records_that_the_default_agrees_with) {
  for (const TlsCase& c :
       {TlsCase{"AES-128-GCM", 4, 8}, TlsCase{"AES-256-GCM", 4, 8}, TlsCase{"ChaCha20-Poly1305", 12, 0}}) {
    for (const bool we_seal : {true, false}) {
      const Buffer key = random_bytes(c.name[4] == '1' ? 16 : 32);
      Buffer fixed = random_bytes(static_cast<size_t>(c.fixed));
      Context seals = start(we_seal ? GetParam() : Way::default_provider, c.name, true, key, {});
      Context opens = start(we_seal ? Way::default_provider : GetParam(), c.name, false, key, {});
      ASSERT_EQ(control(seals, EVP_CTRL_AEAD_SET_IV_FIXED, c.fixed, fixed.data()), 1) << c.name;
      ASSERT_EQ(control(opens, EVP_CTRL_AEAD_SET_IV_FIXED, c.fixed, fixed.data()), 1) << c.name;
      for (uint64_t sequence = 0; sequence < 6; ++sequence) {
        const Buffer text = random_bytes(sequence == 0 ? 0 : 1 + 3000 * sequence);
        Buffer record(c.explicit_bytes);
        record.insert(record.end(), text.begin(), text.end());
        record.resize(record.size() + 16);
        int result = 0;
        ASSERT_TRUE(tls_record(seals, sequence, record, c.explicit_bytes + text.size(), &result));
        ASSERT_EQ(result, static_cast<int>(record.size())) << c.name << " " << we_seal;
        if (sequence == 5) record.back() = static_cast<uint8_t>(record.back() ^ 0x80);
        ASSERT_TRUE(tls_record(opens, sequence, record, record.size(), &result));
        if (sequence == 5) {
          EXPECT_LT(result, 1) << "a forged record";
          continue;
        }
        // The default provider tells how much it was given.
        if (!we_seal) {
          ASSERT_EQ(static_cast<size_t>(result), text.size()) << c.name;
        }
        EXPECT_TRUE(std::equal(text.begin(), text.end(), record.begin() + static_cast<ptrdiff_t>(c.explicit_bytes)));
      }
    }
  }
}

TEST_P(Protocol, Answers_control_commands_as_the_default_does) {
  const Buffer key = random_bytes(16), iv = random_bytes(12);
  Buffer room(256);
  for (const bool encrypt : {true, false}) {
    Context ours = start(GetParam(), "AES-128-GCM", encrypt, key, {});
    Context theirs = start(Way::default_provider, "AES-128-GCM", encrypt, key, {});
    const auto both = [&](int command, int number, const char* what) {
      Buffer copy = room;
      const bool a = control(ours, command, number, room.data()) > 0,
                 b = control(theirs, command, number, copy.data()) > 0;
      EXPECT_EQ(a, b) << what << " " << number << " " << encrypt;
    };
    both(EVP_CTRL_GCM_IV_GEN, 8, "an IV that is not counted on");
    both(EVP_CTRL_AEAD_GET_TAG, 16, "a tag before the end");
    both(EVP_CTRL_AEAD_SET_TAG, 0, "set tag");
    both(EVP_CTRL_AEAD_SET_TAG, 17, "set tag");
    EXPECT_LE(control(ours, EVP_CTRL_AEAD_SET_TAG, 16, nullptr), 0) << "a length is no tag to compare with";
    both(EVP_CTRL_AEAD_SET_TAG, 16, "set tag");
    both(EVP_CTRL_AEAD_SET_IVLEN, 0, "IV length");
    both(EVP_CTRL_AEAD_SET_IVLEN, 129, "IV length");
    both(EVP_CTRL_AEAD_SET_IVLEN, 12, "IV length");
    both(EVP_CTRL_GCM_SET_IV_FIXED, 3, "fixed field");
    both(EVP_CTRL_GCM_SET_IV_FIXED, 5, "fixed field");
    both(EVP_CTRL_GCM_SET_IV_FIXED, 4, "fixed field");
    both(EVP_CTRL_AEAD_TLS1_AAD, 12, "AAD of TLS");
    EXPECT_EQ(EVP_CIPHER_CTX_get_iv_length(ours.get()), 12);
    EXPECT_EQ(EVP_CIPHER_CTX_get_block_size(ours.get()), EVP_CIPHER_CTX_get_block_size(theirs.get()));
    EXPECT_EQ(EVP_CIPHER_CTX_get_mode(ours.get()), EVP_CIPHER_CTX_get_mode(theirs.get()));
    EXPECT_EQ(EVP_CIPHER_CTX_get_key_length(ours.get()), 16);
  }
}

TEST_P(Protocol, Neither_data_nor_an_end_comes_without_an_iv) {
  Context ours = start(GetParam(), "AES-256-GCM", true, random_bytes(32), random_bytes(12));
  Buffer text = random_bytes(100);
  int written = 0;
  ASSERT_EQ(EVP_CipherUpdate(ours.get(), text.data(), &written, text.data(), 100), 1);
  ASSERT_EQ(EVP_CipherFinal_ex(ours.get(), text.data(), &written), 1);
  EXPECT_NE(EVP_CipherUpdate(ours.get(), text.data(), &written, text.data(), 100), 1) << "one IV, one message";
  EXPECT_NE(EVP_CipherFinal_ex(ours.get(), text.data(), &written), 1);
  ERR_clear_error();
}

std::string digest_of_work(Way way, unsigned seed) {
  std::string text;
  for (const CipherFacts& facts : served_ciphers()) {
    const Buffer key(facts.key_bytes, static_cast<uint8_t>(seed)), iv(facts.iv_bytes, static_cast<uint8_t>(seed + 1));
    Buffer data(5000 + seed, 7);
    Context context = start(way, facts.name, true, key, iv);
    int written = 0;
    if (EVP_CipherUpdate(context.get(), data.data(), &written, data.data(), 4096) != 1) return "failed";
    uint8_t sum[32];
    unsigned size = 0;
    EVP_Digest(data.data(), 4096, sum, &size, EVP_sha256(), nullptr);
    text.append(reinterpret_cast<char*>(sum), size);
  }
  return text;
}

TEST_P(Protocol, A_child_goes_on_with_its_parent_s_contexts_and_makes_its_own) {
  const Buffer key = random_bytes(32), iv = random_bytes(16), text = random_bytes(6000);
  Context context = start(GetParam(), "AES-256-CTR", true, key, iv);
  Context expected = start(Way::default_provider, "AES-256-CTR", true, key, iv);
  Buffer a(6000), b(6000);
  int written = 0;
  ASSERT_EQ(EVP_CipherUpdate(context.get(), a.data(), &written, text.data(), 1001), 1);
  ASSERT_EQ(EVP_CipherUpdate(expected.get(), b.data(), &written, text.data(), 1001), 1);
  ASSERT_EQ(EVP_CipherUpdate(expected.get(), b.data(), &written, text.data(), 4500), 1);
  const std::string other = digest_of_work(Way::default_provider, 3);
  for (int child = 0; child < 3; ++child) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      bool same = EVP_CipherUpdate(context.get(), a.data(), &written, text.data(), 4500) == 1;
      same = same && std::equal(a.begin(), a.begin() + 4500, b.begin());
      ::_exit(same && digest_of_work(GetParam(), 3) == other ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  ASSERT_EQ(EVP_CipherUpdate(context.get(), a.data(), &written, text.data(), 4500), 1);
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 4500, b.begin()));
}

TEST_P(Protocol, Threads_work_side_by_side) {
  std::vector<std::string> expected;
  for (unsigned i = 0; i < 4; ++i) expected.push_back(digest_of_work(Way::default_provider, i));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) wrong[i] += digest_of_work(GetParam(), i) != expected[i] ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

// What a program's exit handlers see: threads' own memory is gone, and has others' bytes in it.
void encrypt_at_the_end() {
  const Buffer key(16, 1), iv(16, 2), text(4096, 3);
  std::vector<Buffer> others(200, Buffer(52'520, 0x41));
  for (const char* name : {"AES-128-CTR", "AES-128-CBC"}) {
    Buffer a(5000), b(5000);
    int written = 0;
    for (const Way way : kOurWays) {
      Context ours = start(way, name, false, key, iv), theirs = start(Way::default_provider, name, false, key, iv);
      EVP_CipherUpdate(ours.get(), a.data(), &written, text.data(), 4096);
      EVP_CipherUpdate(theirs.get(), b.data(), &written, text.data(), 4096);
      if (!std::equal(a.begin(), a.begin() + written, b.begin())) ::_exit(3);
    }
  }
}

TEST(ExitHandlers, Have_the_same_ciphers_as_the_program_had) {
  EXPECT_EXIT(
      {
        std::atexit(encrypt_at_the_end);
        encrypt_at_the_end();
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Parameters, Tell_how_long_an_iv_is_where_no_room_is_given) {
  for (const CipherFacts& facts : served_ciphers()) {
    const Buffer key(facts.key_bytes, 1), iv(facts.iv_bytes, 2);
    Context ours = start(Way::provider, facts.name, true, key, iv);
    for (const char* name : {OSSL_CIPHER_PARAM_IV, OSSL_CIPHER_PARAM_UPDATED_IV}) {
      OSSL_PARAM asked[] = {OSSL_PARAM_construct_octet_string(name, nullptr, 0), OSSL_PARAM_construct_end()};
      EXPECT_EQ(EVP_CIPHER_CTX_get_params(ours.get(), asked), 1) << facts.name;
      EXPECT_EQ(asked[0].return_size, facts.iv_bytes) << facts.name;
      Buffer small(4);
      OSSL_PARAM into_little[] = {OSSL_PARAM_construct_octet_string(name, small.data(), 4), OSSL_PARAM_construct_end()};
      EXPECT_EQ(EVP_CIPHER_CTX_get_params(ours.get(), into_little), 0) << facts.name;
    }
  }
}

TEST(TwoEngines, Of_one_module_do_not_take_each_other_s_ciphers_along) {
  const Buffer key = random_bytes(16), iv = random_bytes(16), text = random_bytes(1000);
  Context before = start(Way::engine, "AES-128-CTR", true, key, iv);
  another_engine_comes_and_goes();
  Context after = start(Way::engine, "AES-128-CTR", true, key, iv);
  Buffer a(text.size()), b(text.size());
  int written = 0;
  ASSERT_EQ(EVP_CipherUpdate(before.get(), a.data(), &written, text.data(), 1000), 1);
  ASSERT_EQ(EVP_CipherUpdate(after.get(), b.data(), &written, text.data(), 1000), 1);
  EXPECT_EQ(a, b);
}

// For the run over a device alone.
TEST(EngineDevice, Does_the_large_pieces_of_the_parent_and_nothing_in_a_child) {
  if (!std::getenv("SLUICE_TEST_DEVICE")) GTEST_SKIP() << "no device is named in SLUICE_TEST_DEVICE";
  const Buffer key = random_bytes(16), iv = random_bytes(16), text = random_bytes(100'000);
  for (const char* name : {"AES-128-CTR", "AES-128-CBC"}) {
    Context ours = start(Way::engine, name, true, key, iv);
    Context theirs = start(Way::default_provider, name, true, key, iv);
    Buffer a(text.size() + 16), b(a);
    int written = 0;
    const int before = device_pieces();
    ASSERT_EQ(EVP_CipherUpdate(ours.get(), a.data(), &written, text.data(), 100'000), 1);
    ASSERT_EQ(EVP_CipherUpdate(theirs.get(), b.data(), &written, text.data(), 100'000), 1);
    EXPECT_EQ(a, b) << name;
    EXPECT_GE(device_pieces(), before + 2) << name;
    const pid_t pid = ::fork();
    if (pid == 0) {
      // Its memory may be the parent's: the CPU goes on where the device was.
      const bool idle = device_pieces() == 0;
      bool same = EVP_CipherUpdate(ours.get(), a.data(), &written, text.data(), 50'000) == 1 &&
                  EVP_CipherUpdate(theirs.get(), b.data(), &written, text.data(), 50'000) == 1 && a == b;
      ours.reset();
      ::_exit(same && idle && device_pieces() == 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << name;
  }
}

TEST(EngineDevice, Does_whole_packets_of_ssh_and_the_cpu_goes_on_where_more_follows) {
  if (!std::getenv("SLUICE_TEST_DEVICE")) GTEST_SKIP() << "no device is named in SLUICE_TEST_DEVICE";
  const Buffer key = random_bytes(32), iv = random_bytes(12), aad = random_bytes(4), text = random_bytes(40'000);
  for (const size_t first : {40'000u, 20'000u}) {
    std::array<Buffer, 2> sealed, tags;
    const int before = device_pieces();
    size_t i = 0;
    for (const Way way : {Way::engine, Way::default_provider}) {
      Context context = start(way, "AES-256-GCM", true, key, iv);
      sealed[i].resize(text.size());
      tags[i].resize(16);
      int written = 0;
      ASSERT_EQ(EVP_CipherUpdate(context.get(), nullptr, &written, aad.data(), 4), 1);
      ASSERT_EQ(EVP_CipherUpdate(context.get(), sealed[i].data(), &written, text.data(), static_cast<int>(first)), 1);
      const auto rest = static_cast<int>(text.size() - first);
      if (rest > 0) {
        ASSERT_EQ(EVP_CipherUpdate(context.get(), sealed[i].data() + first, &written, text.data() + first, rest), 1);
      }
      ASSERT_EQ(EVP_CipherFinal_ex(context.get(), nullptr, &written), 1);
      ASSERT_EQ(control(context, EVP_CTRL_AEAD_GET_TAG, 16, tags[i].data()), 1);
      ++i;
    }
    EXPECT_EQ(sealed[0], sealed[1]);
    EXPECT_EQ(tags[0], tags[1]);
    EXPECT_GT(device_pieces(), before);
    for (const bool forged : {false, true}) {
      if (forged) sealed[0][100] = static_cast<uint8_t>(sealed[0][100] ^ 4);
      Context context = start(Way::engine, "AES-256-GCM", false, key, iv);
      Buffer opened(sealed[0]);
      int written = 0;
      ASSERT_EQ(control(context, EVP_CTRL_AEAD_SET_TAG, 16, tags[0].data()), 1);
      ASSERT_EQ(EVP_CipherUpdate(context.get(), nullptr, &written, aad.data(), 4), 1);
      ASSERT_EQ(EVP_CipherUpdate(context.get(), opened.data(), &written, opened.data(), static_cast<int>(first)), 1);
      const auto rest = static_cast<int>(text.size() - first);
      if (rest > 0) {
        ASSERT_EQ(EVP_CipherUpdate(context.get(), opened.data() + first, &written, opened.data() + first, rest), 1);
      }
      EXPECT_EQ(EVP_CipherFinal_ex(context.get(), nullptr, &written) == 1, !forged);
      if (!forged) {
        EXPECT_EQ(opened, text);
      }
      ERR_clear_error();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, Protocol, testing::ValuesIn(kOurWays),
                         [](const auto& made) { return std::string(name_of(made.param)); });

}  // namespace
}  // namespace sluice::test
