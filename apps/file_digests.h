// The hashes by which files are compared, over libcrypto: the server's check-file and the client's copies.
#pragma once

#include "services/broker/file_digest.h"

namespace sluice {

// sha256, sha384, sha512, sha1.
const DigestMaker& file_digests();

}  // namespace sluice
