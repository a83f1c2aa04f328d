// The signed bytes.
#include "control/keys/host_key_proof.h"

#include "base/wire.h"

namespace sluice {

std::vector<uint8_t> host_key_proof_data(Bytes session_id, Bytes host_key) {
  return WireWriter().string(kHostKeysProve).string(session_id).string(host_key).take();
}

}  // namespace sluice
