// ChaCha20-Poly1305 on CPUs with narrower vectors than this one's: OpenSSL's default by EVP, our code alone, and what
// the engine and the provider make of both.
//
// chacha_levels avx512|avx2|portable: what code of ours may use; OpenSSL is shown a CPU without the rest.
#include <openssl/evp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "drivers/chacha20_poly1305.h"
#include "drivers/engine/aead_stream.h"

namespace sluice {
namespace {

constexpr uint64_t kRoundNs = 20'000'000;
constexpr int kRounds = 12;
constexpr size_t kSizes[] = {16, 64, 192, 256, 448, 512, 1024, 1500, 4096, 16384, 65536};

struct Level {
  const char* name;
  VectorLevel level;
  const char* mask;  // OPENSSL_ia32cap(3): of leaf 7 AVX512F, DQ, IFMA, BW and VL; with AVX2
};
constexpr Level kLevels[] = {{"avx512", VectorLevel::avx512, ""},
                             {"avx2", VectorLevel::avx2, ":~0xd0230000"},
                             {"portable", VectorLevel::portable, ":~0xd0230020"}};

// GB/s of one round.
template <typename Work>
double rate(size_t bytes, Work work) {
  const uint64_t began = monotonic_clock().now_ns();
  uint64_t took = 0, messages = 0;
  while (took < kRoundNs) {
    for (int i = 0; i < 64; ++i) work();
    messages += 64;
    took = monotonic_clock().now_ns() - began;
  }
  return static_cast<double>(messages * bytes) / static_cast<double>(took);
}

int show(const Level& level) {
  const std::vector<uint8_t> key(32, 1), iv(12, 2), aad(13, 4);
  std::vector<uint8_t> text(65536, 3), tag(16);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  const auto stream = make_aead_stream(AeadKind::chacha20_poly1305, key.size(), level.level);
  if (!stream || !stream->set_key(key) ||
      EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key.data(), iv.data()) != 1)
    return 1;
  ChachaPoly own(level.level);
  std::printf("| bytes | %s: default, GB/s | ours alone | as served |\n|---|---|---|---|\n", level.name);
  for (const size_t n : kSizes) {
    const auto openssl = [&] {
      int done = 0;
      EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, iv.data());
      EVP_EncryptUpdate(context, nullptr, &done, aad.data(), static_cast<int>(aad.size()));
      EVP_EncryptUpdate(context, text.data(), &done, text.data(), static_cast<int>(n));
      EVP_EncryptFinal_ex(context, text.data(), &done);
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag.data());
    };
    const auto ours = [&] {
      own.start(key.data(), iv.data(), aad);
      own.seal(text.data(), text.data(), n);
      own.finish(tag.data());
    };
    const auto served = [&] {
      stream->set_iv(iv);
      stream->add_aad(true, aad);
      stream->update(true, text.data(), text.data(), n);
      stream->finish(true, tag);
    };
    // The best rounds, in turn: others may be at work.
    std::array<double, 3> best{};
    for (int round = 0; round < kRounds; ++round) {
      best[0] = std::max(best[0], rate(n, openssl));
      best[1] = std::max(best[1], rate(n, ours));
      best[2] = std::max(best[2], rate(n, served));
    }
    std::printf("| %zu | %.2f | %.2f | %.2f |\n", n, best[0], best[1] / best[0], best[2] / best[0]);
  }
  EVP_CIPHER_CTX_free(context);
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  for (const sluice::Level& level : sluice::kLevels) {
    if (argc != 2 || std::string_view(argv[1]) != level.name || level.level < sluice::vector_level()) continue;
    // libcrypto reads it before main().
    if (std::getenv("OPENSSL_ia32cap") != nullptr || *level.mask == 0) return sluice::show(level);
    ::setenv("OPENSSL_ia32cap", level.mask, 1);
    ::execv("/proc/self/exe", argv);
    return 1;
  }
  std::fprintf(stderr, "usage: chacha_levels avx512|avx2|portable, of what this CPU has\n");
  return 1;
}
