// A device that is lent to other programs, by a simulated one: keys that contexts drop while it computes.
#include "drivers/engine/lent_device.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "drivers/engine/block_modes.h"

namespace sluice {
namespace {

constexpr size_t kBytes = 8192;

// What the CPU makes of it.
std::vector<uint8_t> expected(Bytes key, Bytes iv, const std::vector<uint8_t>& text) {
  AesKey expanded{};
  EXPECT_TRUE(expand_aes_key(expanded, key));
  std::array<uint8_t, 16> chain;
  std::copy(iv.begin(), iv.end(), chain.begin());
  std::vector<uint8_t> out(text.size());
  aes_cbc_encrypt_blocks(expanded, chain.data(), out.data(), text.data(), text.size() / 16);
  return out;
}

TEST(LentDevice, Has_no_key_left_of_threads_that_dropped_theirs_while_it_computed_for_others) {
  ASSERT_TRUE(LentDevice::open("sim:qat-gen4,latency=200us"));
  LentDevice* device = LentDevice::usable();
  ASSERT_NE(device, nullptr);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      for (unsigned round = 0; round < 100; ++round) {
        const std::vector<uint8_t> key(16, static_cast<uint8_t>(1 + i + 5 * round)), iv(16, 9), text(kBytes, 7);
        std::vector<uint8_t> out(kBytes, 0xee);
        const bool done =
            device->run_cipher(CipherKind::aes_cbc, key, Direction::seal, iv, out.data(), text.data(), kBytes);
        if (out != (done ? expected(key, iv, text) : std::vector<uint8_t>(kBytes, 0xee))) ++wrong[i];
        LentDevice::forget(key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
  EXPECT_GT(device->pieces(), 0u);
  EXPECT_EQ(device->keys(), 0u);
}

}  // namespace
}  // namespace sluice
