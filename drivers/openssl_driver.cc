// Records through EVP: the order of cipher and MAC is each suite's, every context is reused, only the IV is reset.
//
// A call of OpenSSL that fails leaves the op with device_error, never with unprotected bytes called sealed.
#include "drivers/openssl_driver.h"

#include <openssl/err.h>

#include "base/check.h"
#include "drivers/chacha20_first_blocks.h"
#include "drivers/engine_driver.h"
#include "drivers/openssl_keys.h"
#include "drivers/tag_check.h"

namespace sluice {
namespace {

constexpr size_t kChachaGroup = kChachaLanes / 2;

bool update(EVP_CIPHER_CTX* context, uint8_t* dst, const uint8_t* src, size_t n) {
  int written = 0;
  return EVP_CipherUpdate(context, dst, &written, src, static_cast<int>(n)) == 1;
}

bool poly1305(const OpenSslKey& key, const uint8_t* once, const uint8_t* data, size_t n, uint8_t* out) {
  size_t size = 0;
  return EVP_MAC_init(key.poly1305.get(), once, 32, nullptr) == 1 && EVP_MAC_update(key.poly1305.get(), data, n) == 1 &&
         EVP_MAC_final(key.poly1305.get(), out, &size, 16) == 1;
}

}  // namespace

ResultOrText<std::unique_ptr<PreparedKey>> OpenSslDriver::prepare(const CipherSuite& suite, Direction direction,
                                                                  const KeyMaterial& keys) {
  return expand_openssl_key(suite, direction, keys, nullptr);
}

Support OpenSslDriver::supports(const CipherSuite& suite) const {
  if (suite.is_plain()) return Support::no("protects nothing");
  return {true, {}, kMaxRecordLength + 4, 128, 1};
}

size_t OpenSslDriver::submit(std::span<CryptoOp* const> ops) {
  const size_t taken = std::min(ops.size(), done_.room());
  std::array<CryptoOp*, kChachaGroup> group;
  size_t grouped = 0;
  for (CryptoOp* op : ops.first(taken)) {
    const auto& key = static_cast<const OpenSslKey&>(*op->key);
    switch (key.suite->kind()) {
      case CipherKind::aes_gcm: run_gcm(*op, key); break;
      case CipherKind::chacha20_poly1305:
        group[grouped++] = op;
        if (grouped == group.size()) run_chacha({group.data(), std::exchange(grouped, 0)});
        continue;
      default: run_chain(*op, key); break;
    }
    done_.push(*op);
  }
  if (grouped > 0) run_chacha({group.data(), grouped});
  return taken;
}

void OpenSslDriver::run_one(CryptoOp& op) {
  const auto& key = static_cast<const OpenSslKey&>(*op.key);
  CryptoOp* one = &op;
  switch (key.suite->kind()) {
    case CipherKind::aes_gcm: return run_gcm(op, key);
    case CipherKind::chacha20_poly1305: return compute_chacha({&one, 1});
    default: return run_chain(op, key);
  }
}

void OpenSslDriver::run_gcm(CryptoOp& op, const OpenSslKey& key) {
  EVP_CIPHER_CTX* context = key.cipher.get();
  const bool seal = op.direction == Direction::seal;
  const int tag_bytes = key.suite->tag_bytes;
  if (op.src != op.dst) std::memcpy(op.dst, op.src, 4);
  bool fine = EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, op.iv.data(), -1) == 1 &&
              update(context, nullptr, op.src, 4) && update(context, op.dst + 4, op.src + 4, op.length - 4);
  if (fine && !seal) fine = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag_bytes, op.tag) == 1;
  if (!fine) {
    op.status = OpStatus::device_error;
    return;
  }
  int written = 0;
  std::array<uint8_t, 16> rest;
  const bool final = EVP_CipherFinal_ex(context, rest.data(), &written) == 1;
  if (!seal) {
    op.status = final ? OpStatus::ok : OpStatus::bad_tag;
    if (!final) {
      ERR_clear_error();
      wipe(op.dst, op.length);
    }
    return;
  }
  const bool tagged = final && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tag_bytes, op.tag) == 1;
  op.status = tagged ? OpStatus::ok : OpStatus::device_error;
}

// EtM hashes ciphertext, the older MACs plaintext. Hashing first in the cases where the bytes are about to change
// keeps the work in place.
void OpenSslDriver::run_chain(CryptoOp& op, const OpenSslKey& key) {
  const CipherSuite& suite = *key.suite;
  const bool seal = op.direction == Direction::seal;
  const bool cipher_first = seal == suite.is_etm();
  const size_t from = suite.encrypted_from;
  std::array<uint8_t, kMaxTagBytes> computed;
  if (op.src != op.dst) std::memcpy(op.dst, op.src, 4);
  const auto cipher = [&] {
    return EVP_CipherInit_ex(key.cipher.get(), nullptr, nullptr, nullptr, op.iv.data(), -1) == 1 &&
           update(key.cipher.get(), op.dst + from, op.src + from, op.length - from);
  };
  bool fine = !cipher_first || cipher();
  if (fine) key.hmac->compute(op.sequence, cipher_first ? op.dst : op.src, op.length, computed.data());
  fine = fine && (cipher_first || cipher());
  if (!fine) {
    op.status = OpStatus::device_error;
  } else if (seal) {
    std::memcpy(op.tag, computed.data(), suite.tag_bytes);
    op.status = OpStatus::ok;
  } else {
    settle_opened(op, computed.data(), suite.tag_bytes);
  }
}

// chacha20-poly1305@openssh.com: Poly1305 over the hidden length and the ciphertext, its key from block 0 of the
// payload key, the payload from block 1 on, the length under a key of its own.
void OpenSslDriver::run_chacha(std::span<CryptoOp* const> ops) {
  compute_chacha(ops);
  for (CryptoOp* op : ops) done_.push(*op);
}

void OpenSslDriver::compute_chacha(std::span<CryptoOp* const> ops) {
  std::array<ChachaLane, kChachaLanes> lanes{};
  size_t used = 0;
  for (const CryptoOp* op : ops) {
    const auto& key = static_cast<const OpenSslKey&>(*op->key);
    lanes[used++] = {key.chacha.data(), op->sequence};
    if (op->direction == Direction::seal) lanes[used++] = {key.chacha.data() + 32, op->sequence};
  }
  alignas(64) ChachaBlocks blocks;
  chacha20_first_blocks(lanes.data(), used, blocks);
  used = 0;
  for (CryptoOp* op : ops) {
    const uint8_t* once = blocks[used++].data();
    if (op->direction == Direction::seal) {
      seal_chacha(*op, once, blocks[used++].data());
    } else {
      open_chacha(*op, once);
    }
  }
  wipe(&blocks, sizeof blocks);
}

void OpenSslDriver::seal_chacha(CryptoOp& op, const uint8_t* once, const uint8_t* length_stream) {
  const auto& key = static_cast<const OpenSslKey&>(*op.key);
  for (size_t i = 0; i < 4; ++i) op.dst[i] = static_cast<uint8_t>(op.src[i] ^ length_stream[i]);
  const bool fine = chacha_payload(op, key) && poly1305(key, once, op.dst, op.length, op.tag);
  op.status = fine ? OpStatus::ok : OpStatus::device_error;
}

void OpenSslDriver::open_chacha(CryptoOp& op, const uint8_t* once) {
  const auto& key = static_cast<const OpenSslKey&>(*op.key);
  std::array<uint8_t, 16> computed;
  if (!poly1305(key, once, op.src, op.length, computed.data()) || !chacha_payload(op, key)) {
    op.status = OpStatus::device_error;
    return;
  }
  store_be32(op.dst, op.length - 4);
  settle_opened(op, computed.data(), computed.size());
}

bool OpenSslDriver::chacha_payload(CryptoOp& op, const OpenSslKey& key) {
  // EVP_chacha20's IV: a little-endian block counter of four bytes, then the nonce.
  std::array<uint8_t, 16> iv{1};
  store_be32(iv.data() + 12, op.sequence);
  return EVP_CipherInit_ex(key.cipher.get(), nullptr, nullptr, nullptr, iv.data(), -1) == 1 &&
         update(key.cipher.get(), op.dst + 4, op.src + 4, op.length - 4);
}

void OpenSslDriver::read_lengths(std::span<LengthQuestion> questions) {
  for (LengthQuestion& question : questions) {
    auto& key = static_cast<OpenSslKey&>(*question.key);
    if (key.suite->length_form == LengthForm::own_stream) {
      question.length = load_be32(question.first) ^ key.length_masks.mask(key.chacha.data() + 32, question.sequence);
      continue;
    }
    std::array<uint8_t, 16> block;
    const bool counter = key.suite->kind() == CipherKind::aes_ctr;
    const uint8_t* in = counter ? question.iv.data() : question.first;
    const uint8_t* mask = counter ? question.first : question.iv.data();
    SLUICE_CHECK(update(key.length_block.get(), block.data(), in, key.suite->cipher->block_bytes));
    question.length = load_be32(block.data()) ^ load_be32(mask);
  }
}

ResultOrText<std::unique_ptr<CryptoDriver>> make_openssl_driver(const std::string& engine_spec) {
  if (engine_spec.empty()) return std::make_unique<OpenSslDriver>();
  auto engine = OpenSslEngine::load(engine_spec);
  if (!engine) return fail(engine.error());
  return std::make_unique<EngineDriver>(std::move(*engine));
}

}  // namespace sluice
