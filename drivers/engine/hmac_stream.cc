// One table of libcrypto's low-level digests; a state is plain memory, and a copy of it goes on by itself.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "drivers/engine/hmac_stream.h"

#include <openssl/sha.h>

#include <array>

namespace sluice {

struct HmacStream::Digest {
  const char* name;
  size_t bytes, block;
  void (*init)(State&);
  void (*update)(State&, const void*, size_t);
  void (*finish)(State&, uint8_t*);
};

namespace {

template <typename Context, auto kInit, auto kUpdate, auto kFinish>
struct Calls {
  template <typename State>
  static Context* in(State& state) {
    static_assert(sizeof(Context) <= sizeof state.bytes && alignof(Context) <= alignof(State));
    return reinterpret_cast<Context*>(state.bytes);
  }
  template <typename State>
  static void init(State& state) {
    kInit(in(state));
  }
  template <typename State>
  static void update(State& state, const void* data, size_t n) {
    kUpdate(in(state), data, n);
  }
  template <typename State>
  static void finish(State& state, uint8_t* out) {
    kFinish(out, in(state));
  }
};

template <typename Calls>
constexpr HmacStream::Digest row(const char* name, size_t bytes, size_t block) {
  return {name, bytes, block, Calls::init, Calls::update, Calls::finish};
}

constexpr std::array<HmacStream::Digest, 5> kRows{
    row<Calls<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final>>("SHA1", 20, 64),
    row<Calls<SHA256_CTX, SHA224_Init, SHA224_Update, SHA224_Final>>("SHA2-224", 28, 64),
    row<Calls<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final>>("SHA2-256", 32, 64),
    row<Calls<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final>>("SHA2-384", 48, 128),
    row<Calls<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final>>("SHA2-512", 64, 128)};

constexpr size_t kMostBlock = 128;

}  // namespace

const size_t HmacStream::kDigests = kRows.size();
const char* HmacStream::name_at(size_t i) { return kRows[i].name; }
size_t HmacStream::bytes_of(const Digest& digest) { return digest.bytes; }
size_t HmacStream::block_of(const Digest& digest) { return digest.block; }

const HmacStream::Digest* HmacStream::find(std::string_view name) {
  for (const Digest& row : kRows)
    if (name == row.name) return &row;
  return nullptr;
}

HmacStream::~HmacStream() {
  wipe(&inner_, sizeof inner_);
  wipe(&outer_, sizeof outer_);
  wipe(&running_, sizeof running_);
}

void HmacStream::set_key(const Digest& digest, Bytes key) {
  digest_ = &digest;
  std::array<uint8_t, kMostBlock> block{};
  if (key.size() > digest.block) {
    digest.init(running_);
    digest.update(running_, key.data(), key.size());
    digest.finish(running_, block.data());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (uint8_t& byte : block) byte = static_cast<uint8_t>(byte ^ 0x36);
  digest.init(inner_);
  digest.update(inner_, block.data(), digest.block);
  for (uint8_t& byte : block) byte = static_cast<uint8_t>(byte ^ 0x36 ^ 0x5c);
  digest.init(outer_);
  digest.update(outer_, block.data(), digest.block);
  wipe(block.data(), block.size());
  restart();
}

void HmacStream::update(Bytes piece) { digest_->update(running_, piece.data(), piece.size()); }

void HmacStream::finish(uint8_t* out) {
  std::array<uint8_t, kMostHmacBytes> inside;
  digest_->finish(running_, inside.data());
  running_ = outer_;
  digest_->update(running_, inside.data(), digest_->bytes);
  digest_->finish(running_, out);
}

}  // namespace sluice
