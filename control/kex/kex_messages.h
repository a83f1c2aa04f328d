// The messages that the methods have in common, and the start of the one method that has more.
#pragma once

#include "control/kex/kex_method.h"

namespace sluice {

// RFC 4253 section 8, RFC 5656 section 7.1, RFC 4419 section 5: the numbers from 30 on belong to the method.
enum class KexMessage : uint8_t {
  init = 30,
  reply = 31,
  group = 31,
  group_init = 32,
  group_reply = 33,
  group_request = 34,
};

Payload encode_kex_init(KexMessage number, Bytes client_public);
// The public value; malformed_message where anything is missing or left over.
Result<Bytes> decode_kex_init(KexMessage number, Bytes payload);

struct KexReply {
  Bytes host_key;
  Bytes server_public;
  Bytes signature;
};
Payload encode_kex_reply(KexMessage number, const KexReply& reply);
Result<KexReply> decode_kex_reply(KexMessage number, Bytes payload);

std::unique_ptr<KexClient> start_group_exchange_client(const KexOptions& options);
std::unique_ptr<KexServer> start_group_exchange_server(const KexOptions& options);

}  // namespace sluice
