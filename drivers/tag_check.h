// The end of opening a record: compare the tag, and leave no plaintext of a forgery behind.
#pragma once

#include "base/bytes.h"
#include "crypto_offload/crypto_op.h"

namespace sluice {

inline void settle_opened(CryptoOp& op, const uint8_t* computed, size_t tag_bytes) {
  if (equal_in_constant_time(computed, op.tag, tag_bytes)) {
    op.status = OpStatus::ok;
    return;
  }
  wipe(op.dst, op.length);
  op.status = OpStatus::bad_tag;
}

}  // namespace sluice
