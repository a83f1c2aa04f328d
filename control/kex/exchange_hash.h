// The exchange hash H and the keys that are derived from it, RFC 4253 sections 7.2 and 8.
#pragma once

#include <span>

#include "base/secret.h"
#include "control/kex/hash.h"

namespace sluice {

struct ExchangeInput {
  // Identification strings without CR LF.
  Bytes client_version;
  Bytes server_version;
  // Whole payloads of the KEXINITs, their message number included.
  Bytes client_kexinit;
  Bytes server_kexinit;
  Bytes host_key;
  // KexAgreed's: the public values, as they were on the wire.
  Bytes method_fields;
  Bytes shared;
};

Digest exchange_hash(HashId hash, const ExchangeInput& input);

enum class KeyLetter : uint8_t {
  iv_client_to_server = 'A',
  iv_server_to_client = 'B',
  cipher_client_to_server = 'C',
  cipher_server_to_client = 'D',
  mac_client_to_server = 'E',
  mac_server_to_client = 'F',
};

// As many bytes as the suite needs; the session id is the exchange hash of the connection's first exchange.
Secret derive_key(HashId hash, const Secret& shared, const Digest& exchange, KeyLetter letter, Bytes session_id,
                  size_t size);

}  // namespace sluice
