// Hashing the strings of RFC 4253 in their order, and extending a key beyond one hash.
#include "control/kex/exchange_hash.h"

#include <algorithm>

namespace sluice {
namespace {

void update_string(Hasher& hasher, Bytes value) {
  uint8_t size[4];
  store_be32(size, static_cast<uint32_t>(value.size()));
  hasher.update(size).update(value);
}

}  // namespace

// RFC 4253 section 8.
Digest exchange_hash(HashId hash, const ExchangeInput& input) {
  Hasher hasher(hash);
  update_string(hasher, input.client_version);
  update_string(hasher, input.server_version);
  update_string(hasher, input.client_kexinit);
  update_string(hasher, input.server_kexinit);
  update_string(hasher, input.host_key);
  hasher.update(input.method_fields).update(input.shared);
  Digest out;
  out.size = hash_size(hash);
  hasher.finish(MutableBytes(out.bytes).first(out.size));
  return out;
}

// RFC 4253 section 7.2: K1 = HASH(K || H || letter || session_id), then each next is the hash of K, H and all before
// it.
Secret derive_key(HashId hash, const Secret& shared, const Digest& exchange, KeyLetter letter, Bytes session_id,
                  size_t size) {
  const size_t step = hash_size(hash);
  const auto letter_byte = static_cast<uint8_t>(letter);
  Secret whole((std::max<size_t>(size, 1) + step - 1) / step * step);
  Hasher hasher(hash);
  for (size_t done = 0; done < whole.size(); done += step) {
    hasher.update(shared.view()).update(exchange.view());
    if (done == 0) {
      hasher.update({&letter_byte, 1}).update(session_id);
    } else {
      hasher.update(whole.view().first(done));
    }
    hasher.finish(whole.view().subspan(done, step));
  }
  return Secret(Bytes(whole.view()).first(size));
}

}  // namespace sluice
