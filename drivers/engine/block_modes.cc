// CTR: the rest of a block, whole blocks in runs within which the low 32 bits of the counter do not wrap (ipsec-mb
// counts in these alone), and the beginning of a block.
#include "drivers/engine/block_modes.h"

#include <algorithm>

#include "drivers/engine/imb_functions.h"
#include "drivers/engine/lent_device.h"

namespace sluice {
namespace {

constexpr size_t kBlock = 16;
// Below, a call of the library costs more than its wider registers save; measured.
constexpr size_t kBlocksForLibrary = 24;

// False without memory for the thread's manager.
bool library_run(const AesKey& key, IMB_CIPHER_MODE mode, const uint8_t* iv, uint8_t* dst, const uint8_t* src,
                 size_t n) {
  IMB_MGR* manager = imb_of_thread();
  if (manager == nullptr) return false;
  IMB_JOB job{};
  const auto direction = mode == IMB_CIPHER_CBC ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
  job.cipher_mode = mode;
  job.cipher_direction = direction;
  job.hash_alg = IMB_AUTH_NULL;
  job.chain_order = IMB_ORDER_CIPHER_HASH;
  job.enc_keys = key.encrypt.data();
  job.dec_keys = key.decrypt.data();
  job.key_len_in_bytes = key.bytes;
  job.iv = iv;
  job.iv_len_in_bytes = kBlock;
  job.src = src;
  job.dst = dst;
  job.msg_len_to_cipher_in_bytes = n;
  return IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager, &job, 1, mode, direction,
                                         static_cast<IMB_KEY_SIZE_BYTES>(key.bytes)) == 1 &&
         job.status == IMB_STATUS_COMPLETED;
}

// By a device where one was asked for and has the time, piece by piece. Bytes done; iv is that of the next.
size_t device_run(const AesKey& key, CipherKind kind, Direction direction, const uint8_t* iv, uint8_t* dst,
                  const uint8_t* src, size_t n) {
  LentDevice* device = LentDevice::usable();
  if (device == nullptr || n < kDeviceFromBytes) return 0;
  const size_t piece = std::min<size_t>(n, kDeviceMostBytes / kBlock * kBlock);
  // An expanded key begins with the key itself.
  const Bytes bytes{key.encrypt.data(), key.bytes};
  return device->run_cipher(kind, bytes, direction, {iv, kBlock}, dst, src, piece) ? piece : 0;
}

void ctr_blocks(const AesKey& key, uint8_t* counter, uint8_t* dst, const uint8_t* src, size_t blocks) {
  while (blocks > 0) {
    if (blocks < kBlocksForLibrary) return aes_ctr_blocks(key, counter, dst, src, blocks);
    const uint64_t to_wrap = (uint64_t{1} << 32) - load_be32(counter + 12);
    size_t run = std::min<size_t>(blocks, to_wrap);
    const size_t by_device = device_run(key, CipherKind::aes_ctr, Direction::seal, counter, dst, src, run * kBlock);
    if (by_device > 0) {
      run = by_device / kBlock;
    } else if (!library_run(key, IMB_CIPHER_CNTR, counter, dst, src, run * kBlock)) {
      return aes_ctr_blocks(key, counter, dst, src, blocks);
    }
    const uint64_t low = load_be64(counter + 8);
    store_be64(counter + 8, low + run);
    if (low + run < low) store_be64(counter, load_be64(counter) + 1);
    dst += run * kBlock;
    src += run * kBlock;
    blocks -= run;
  }
}

}  // namespace

void aes_ctr(const AesKey& key, CtrState& state, uint8_t* dst, const uint8_t* src, size_t n) {
  while (state.used != 0 && n > 0) {
    *dst++ = static_cast<uint8_t>(*src++ ^ state.keystream[state.used]);
    state.used = (state.used + 1) % kBlock;
    --n;
  }
  const size_t whole = n / kBlock;
  ctr_blocks(key, state.counter, dst, src, whole);
  dst += whole * kBlock;
  src += whole * kBlock;
  n -= whole * kBlock;
  if (n == 0) return;
  std::memset(state.keystream, 0, kBlock);
  aes_ctr_blocks(key, state.counter, state.keystream, state.keystream, 1);
  for (; state.used < n; ++state.used)
    dst[state.used] = static_cast<uint8_t>(src[state.used] ^ state.keystream[state.used]);
}

void aes_cbc_encrypt(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t n) {
  while (const size_t done = device_run(key, CipherKind::aes_cbc, Direction::seal, iv, dst, src, n)) {
    std::memcpy(iv, dst + done - kBlock, kBlock);
    dst += done;
    src += done;
    n -= done;
  }
  // ipsec-mb's lanes work on several messages; of one they would be slower than this.
  aes_cbc_encrypt_blocks(key, iv, dst, src, n / kBlock);
}

void aes_cbc_decrypt(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t n) {
  if (n / kBlock < kBlocksForLibrary) return aes_cbc_decrypt_blocks(key, iv, dst, src, n / kBlock);
  while (LentDevice::usable() != nullptr && n >= kDeviceFromBytes) {
    const size_t piece = std::min<size_t>(n, kDeviceMostBytes / kBlock * kBlock);
    std::array<uint8_t, kBlock> next;
    std::memcpy(next.data(), src + piece - kBlock, kBlock);
    if (device_run(key, CipherKind::aes_cbc, Direction::open, iv, dst, src, piece) != piece) break;
    std::memcpy(iv, next.data(), kBlock);
    dst += piece, src += piece, n -= piece;
  }
  if (n == 0) return;
  // In place the last block will be overwritten.
  std::array<uint8_t, kBlock> last;
  std::memcpy(last.data(), src + n - kBlock, kBlock);
  if (!library_run(key, IMB_CIPHER_CBC, iv, dst, src, n)) return aes_cbc_decrypt_blocks(key, iv, dst, src, n / kBlock);
  std::memcpy(iv, last.data(), kBlock);
}

}  // namespace sluice
