// The hashes by which copies are compared, over libcrypto.
#pragma once

#include "services/broker/file_digest.h"

namespace sluice {

// sha256, sha384, sha512, sha1.
const DigestMaker& client_digests();

}  // namespace sluice
