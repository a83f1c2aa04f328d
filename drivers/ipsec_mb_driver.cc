// Records to ipsec-mb: GCM by its direct calls, block ciphers with HMAC as chained jobs whose hashes share the lanes of
// the vector units; chacha20 and Poly1305 as jobs with keys from our own block 0, and long ones by our own code.
//
// Invariant: jobs come back in the order they went in, so the i-th job in flight owns the i-th slot of computed_.
#include "drivers/ipsec_mb_driver.h"

#include <utility>

#include "base/check.h"
#include "drivers/chacha20_first_blocks.h"
#include "drivers/chacha20_poly1305.h"
#include "drivers/done_queue.h"
#include "drivers/ipsec_mb_keys.h"
#include "drivers/tag_check.h"

namespace sluice {
namespace {

// HMAC and CBC jobs stop at 65,534 bytes, and the sequence number is hashed too.
constexpr uint32_t kLongestChainedJob = 65534 - 4;
// ipsec-mb's CNTR with a 16-byte IV counts in the low 32 bits.
constexpr uint8_t kCounterBits = 32;
// Shorter records take less than the sixteen blocks that we make at a time.
constexpr uint32_t kLeastForOurChacha = 4096;
constexpr size_t kChachaGroup = kChachaLanes / 2;

struct ManagerDeleter {
  void operator()(IMB_MGR* m) const { free_mb_mgr(m); }
};
using Manager = std::unique_ptr<IMB_MGR, ManagerDeleter>;

Manager make_manager() {
  Manager manager(alloc_mb_mgr(0));
  if (manager) init_mb_mgr_auto(manager.get(), nullptr);
  return manager;
}

uint8_t hash_lanes(const IMB_MGR& m, MacKind kind) {
  const bool avx512 = m.used_arch == IMB_ARCH_AVX512;
  const bool avx2 = m.used_arch >= IMB_ARCH_AVX2;
  if (kind == MacKind::hmac_sha512) return avx512 ? 8 : avx2 ? 4 : 2;
  return avx512 ? 16 : avx2 ? 8 : 4;
}

class IpsecMbDriver final : public CryptoDriver {
 public:
  IpsecMbDriver(Manager records, Manager lengths) : records_(std::move(records)), lengths_(std::move(lengths)) {}

  std::string_view name() const override { return "ipsec_mb"; }
  Support supports(const CipherSuite& suite) const override;
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                     const KeyMaterial& keys) override {
    // Expansion uses the manager as a table of functions only: safe beside the worker.
    return expand_ipsec_mb_key(*records_, suite, direction, keys);
  }
  std::unique_ptr<CryptoDriver> sibling() const override;
  size_t submit(std::span<CryptoOp* const> ops) override;
  size_t poll(std::span<CryptoOp*> done) override;
  void read_lengths(std::span<LengthQuestion> questions) override;

 private:
  using Computed = std::array<uint8_t, kMaxTagBytes>;

  void run_gcm(CryptoOp& op, const IpsecMbGcmKey& key);
  void run_chacha(std::span<CryptoOp* const> ops);
  void seal_chacha(CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key, const uint8_t* length_stream);
  void open_chacha(CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key);
  void start_chacha(const CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key);
  void chacha_job(CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key, const uint8_t* src, uint8_t* tag);
  void start_chain(CryptoOp& op, const IpsecMbChainKey& key);
  void finish_chain(IMB_JOB* job);
  void read_block_length(LengthQuestion& question, const IpsecMbChainKey& key);

  Manager records_;
  // Length questions would otherwise queue behind the hashes in flight.
  Manager lengths_;
  const uint32_t least_for_our_chacha_ = vector_level() == VectorLevel::avx512 ? kLeastForOurChacha : UINT32_MAX;
  ChachaStream stream_;
  Poly1305 poly_;
  bool long_chacha_ = false;  // both hold a key
  DoneQueue done_;
  size_t in_lanes_ = 0;
  size_t next_slot_ = 0;
  std::array<Computed, kDriverDepth> computed_{};
};

Support IpsecMbDriver::supports(const CipherSuite& suite) const {
  switch (suite.kind()) {
    case CipherKind::none: return Support::no("protects nothing");
    case CipherKind::aes_gcm:
    case CipherKind::chacha20_poly1305: return {true, {}, kMaxRecordLength + 4, 128, 1};
    case CipherKind::aes_ctr:
      return {true, {}, kLongestChainedJob, kCounterBits, hash_lanes(*records_, suite.mac_kind())};
    case CipherKind::aes_cbc:
    case CipherKind::des3_cbc: return {true, {}, kLongestChainedJob, 128, hash_lanes(*records_, suite.mac_kind())};
  }
  return Support::no("unknown cipher");
}

std::unique_ptr<CryptoDriver> IpsecMbDriver::sibling() const {
  auto other = make_ipsec_mb_driver();
  return other ? std::move(*other) : nullptr;
}

// 1. take as many as the queues have room for  2. GCM at once  3. chacha20 in groups  4. chained jobs into the lanes
size_t IpsecMbDriver::submit(std::span<CryptoOp* const> ops) {
  const size_t taken = std::min(ops.size(), done_.room() - in_lanes_);
  std::array<CryptoOp*, kChachaGroup> group;
  size_t grouped = 0;
  for (CryptoOp* op : ops.first(taken)) {
    const auto& key = static_cast<const IpsecMbKey&>(*op->key);
    switch (key.suite->kind()) {
      case CipherKind::aes_gcm: run_gcm(*op, static_cast<const IpsecMbGcmKey&>(key)); break;
      case CipherKind::chacha20_poly1305:
        group[grouped++] = op;
        if (grouped == group.size()) run_chacha({group.data(), std::exchange(grouped, 0)});
        break;
      default: start_chain(*op, static_cast<const IpsecMbChainKey&>(key)); break;
    }
  }
  if (grouped > 0) run_chacha({group.data(), grouped});
  return taken;
}

size_t IpsecMbDriver::poll(std::span<CryptoOp*> done) {
  while (in_lanes_ > 0) {
    IMB_JOB* job = IMB_FLUSH_JOB(records_.get());
    SLUICE_CHECK(job != nullptr);
    for (; job != nullptr; job = IMB_GET_COMPLETED_JOB(records_.get())) finish_chain(job);
  }
  return done_.pop(done);
}

void IpsecMbDriver::run_gcm(CryptoOp& op, const IpsecMbGcmKey& key) {
  gcm_context_data context;
  const bool seal = op.direction == Direction::seal;
  Computed computed;
  if (op.src != op.dst) std::memcpy(op.dst, op.src, 4);
  key.run(&key.data, &context, op.dst + 4, op.src + 4, op.length - 4, op.iv.data(), op.src, 4,
          seal ? op.tag : computed.data(), key.suite->tag_bytes);
  if (seal) {
    op.status = OpStatus::ok;
  } else {
    settle_opened(op, computed.data(), key.suite->tag_bytes);
  }
  done_.push(op);
}

// An open needs one block 0 a record, a seal two: the second hides the length, which an open knows already.
void IpsecMbDriver::run_chacha(std::span<CryptoOp* const> ops) {
  std::array<ChachaLane, kChachaLanes> lanes{};
  size_t used = 0;
  for (const CryptoOp* op : ops) {
    const auto& key = static_cast<const IpsecMbChachaKey&>(*op->key);
    lanes[used++] = {key.payload(), op->sequence};
    if (op->direction == Direction::seal) lanes[used++] = {key.length(), op->sequence};
  }
  alignas(64) ChachaBlocks blocks;
  chacha20_first_blocks(lanes.data(), used, blocks);
  used = 0;
  for (CryptoOp* op : ops) {
    const auto& key = static_cast<const IpsecMbChachaKey&>(*op->key);
    const uint8_t* poly_key = blocks[used++].data();
    if (op->direction == Direction::seal) {
      seal_chacha(*op, key, poly_key, blocks[used++].data());
    } else {
      open_chacha(*op, key, poly_key);
    }
    done_.push(*op);
  }
  wipe(&blocks, sizeof blocks);
  if (!std::exchange(long_chacha_, false)) return;
  stream_.clear();
  poly_.clear();
}

void IpsecMbDriver::seal_chacha(CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key,
                                const uint8_t* length_stream) {
  if (op.length >= least_for_our_chacha_) {
    for (size_t i = 0; i < 4; ++i) op.dst[i] = static_cast<uint8_t>(op.src[i] ^ length_stream[i]);
    start_chacha(op, key, poly_key);
    poly_.update(op.dst, 4);
    chacha_seal(stream_, poly_, op.dst + 4, op.src + 4, op.length - 4);
    poly_.finish(op.tag);
    op.status = OpStatus::ok;
    return;
  }
  // The job hashes its source, which after the cipher must be the ciphertext: so it works inside dst.
  if (op.src != op.dst) std::memcpy(op.dst, op.src, op.length);
  for (size_t i = 0; i < 4; ++i) op.dst[i] = static_cast<uint8_t>(op.dst[i] ^ length_stream[i]);
  chacha_job(op, key, poly_key, op.dst, op.tag);
  op.status = OpStatus::ok;
}

void IpsecMbDriver::open_chacha(CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key) {
  Computed computed;
  if (op.length >= least_for_our_chacha_) {
    start_chacha(op, key, poly_key);
    poly_.update(op.src, 4);
    chacha_open(stream_, poly_, op.dst + 4, op.src + 4, op.length - 4);
    poly_.finish(computed.data());
  } else {
    chacha_job(op, key, poly_key, op.src, computed.data());
  }
  store_be32(op.dst, op.length - 4);
  settle_opened(op, computed.data(), key.suite->tag_bytes);
}

// The payload's stream begins at block 1, under eight bytes of sequence number.
void IpsecMbDriver::start_chacha(const CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key) {
  std::array<uint8_t, 12> nonce{};
  store_be32(nonce.data() + 8, op.sequence);
  stream_.start(key.payload(), 1, nonce.data());
  poly_.start(poly_key);
  long_chacha_ = true;
}

// The CHACHA20 job takes a 12-byte nonce and starts at block 1: with eight bytes of sequence number that is the
// payload stream of chacha20-poly1305@openssh.com. Cipher and one-shot Poly1305 are done when submit returns.
void IpsecMbDriver::chacha_job(CryptoOp& op, const IpsecMbChachaKey& key, const uint8_t* poly_key, const uint8_t* src,
                               uint8_t* tag) {
  std::array<uint8_t, 12> nonce{};
  store_be32(nonce.data() + 8, op.sequence);
  IMB_JOB* job = IMB_GET_NEXT_JOB(lengths_.get());
  const bool seal = op.direction == Direction::seal;
  job->cipher_mode = IMB_CIPHER_CHACHA20;
  job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  job->hash_alg = IMB_AUTH_POLY1305;
  job->enc_keys = key.payload();
  job->dec_keys = key.payload();
  job->key_len_in_bytes = 32;
  job->iv = nonce.data();
  job->iv_len_in_bytes = nonce.size();
  job->src = src;
  job->dst = op.dst + 4;
  job->cipher_start_src_offset_in_bytes = 4;
  job->msg_len_to_cipher_in_bytes = op.length - 4;
  job->hash_start_src_offset_in_bytes = 0;
  job->msg_len_to_hash_in_bytes = op.length;
  job->u.POLY1305._key = poly_key;
  job->auth_tag_output = tag;
  job->auth_tag_output_len_in_bytes = 16;
  job = IMB_SUBMIT_JOB_NOCHECK(lengths_.get());
  SLUICE_CHECK(job != nullptr && job->status == IMB_STATUS_COMPLETED);
}

void IpsecMbDriver::start_chain(CryptoOp& op, const IpsecMbChainKey& key) {
  const CipherSuite& suite = *key.suite;
  const uint8_t* src = op.src;
  if (op.src != op.dst) {
    if (key.job.chain_order == IMB_ORDER_CIPHER_HASH) {
      // The hash reads the job's source, so what the cipher made must be there.
      std::memcpy(op.dst, op.src, op.length);
      src = op.dst;
    } else {
      std::memcpy(op.dst, op.src, 4);
    }
  }
  uint8_t* headroom = const_cast<uint8_t*>(src) - 4;
  store_be32(headroom, op.sequence);
  IMB_JOB* job = IMB_GET_NEXT_JOB(records_.get());
  *job = key.job;
  job->src = headroom;
  job->dst = op.dst + suite.encrypted_from;
  job->iv = op.iv.data();
  job->msg_len_to_cipher_in_bytes = op.length - suite.encrypted_from;
  job->msg_len_to_hash_in_bytes = op.length + 4u;
  job->auth_tag_output = op.direction == Direction::seal ? op.tag : computed_[next_slot_].data();
  job->user_data = &op;
  job->user_data2 = computed_[next_slot_].data();
  next_slot_ = (next_slot_ + 1) % kDriverDepth;
  ++in_lanes_;
  for (job = IMB_SUBMIT_JOB_NOCHECK(records_.get()); job != nullptr; job = IMB_GET_COMPLETED_JOB(records_.get())) {
    finish_chain(job);
  }
}

void IpsecMbDriver::finish_chain(IMB_JOB* job) {
  auto& op = *static_cast<CryptoOp*>(job->user_data);
  --in_lanes_;
  if (job->status != IMB_STATUS_COMPLETED) {
    op.status = OpStatus::device_error;
  } else if (op.direction == Direction::seal) {
    op.status = OpStatus::ok;
  } else {
    const auto& key = static_cast<const IpsecMbChainKey&>(*op.key);
    settle_opened(op, static_cast<const uint8_t*>(job->user_data2), key.suite->tag_bytes);
  }
  done_.push(op);
}

void IpsecMbDriver::read_lengths(std::span<LengthQuestion> questions) {
  for (LengthQuestion& question : questions) {
    auto& key = static_cast<IpsecMbKey&>(*question.key);
    if (key.suite->length_form == LengthForm::first_block) {
      read_block_length(question, static_cast<const IpsecMbChainKey&>(key));
      continue;
    }
    auto& chacha = static_cast<IpsecMbChachaKey&>(key);
    question.length = load_be32(question.first) ^ chacha.length_masks.mask(chacha.length(), question.sequence);
  }
}

void IpsecMbDriver::read_block_length(LengthQuestion& question, const IpsecMbChainKey& key) {
  std::array<uint8_t, 16> plain;
  IMB_JOB* job = IMB_GET_NEXT_JOB(lengths_.get());
  *job = key.job;
  job->hash_alg = IMB_AUTH_NULL;
  job->src = question.first;
  job->dst = plain.data();
  job->iv = question.iv.data();
  job->cipher_start_src_offset_in_bytes = 0;
  job->msg_len_to_cipher_in_bytes = key.suite->cipher->block_bytes;
  job->msg_len_to_hash_in_bytes = 0;
  job = IMB_SUBMIT_JOB_NOCHECK(lengths_.get());
  if (job == nullptr) job = IMB_FLUSH_JOB(lengths_.get());
  SLUICE_CHECK(job != nullptr && job->status == IMB_STATUS_COMPLETED);
  question.length = load_be32(plain.data());
}

}  // namespace

ResultOrText<std::unique_ptr<CryptoDriver>> make_ipsec_mb_driver() {
  Manager records = make_manager();
  Manager lengths = make_manager();
  if (!records || !lengths) return fail("ipsec-mb could not allocate its manager");
  if (records->used_arch < IMB_ARCH_SSE) return fail("the CPU has no AES-NI and SSE4.2, which ipsec-mb needs");
  return std::make_unique<IpsecMbDriver>(std::move(records), std::move(lengths));
}

}  // namespace sluice
