// Files of revoked keys: OpenSSH's key revocation lists (PROTOCOL.krl), and plain ones with a public key a line.
//
// A file is gone through for one key at a time and nothing of it is kept. What cannot be read or understood to the end
// is an error: it may be the very entry that matters.
#pragma once

#include "base/result.h"
#include "control/keys/certificate.h"

namespace sluice {

// Lists of authorities with years of certificates behind them are some megabytes.
inline constexpr size_t kMaxRevocationFile = 64 * 1024 * 1024;

// A certificate is revoked with its key, by its serial number or id where its authority revoked these, and with the
// key of its authority.
ResultOrText<bool> is_revoked(Bytes file, const PublicKey& key);
ResultOrText<bool> is_revoked(Bytes file, const Certificate& certificate);

}  // namespace sluice
