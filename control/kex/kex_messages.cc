// Writing and reading the init and reply messages.
#include "control/kex/kex_messages.h"

#include "base/wire.h"

namespace sluice {

Payload encode_kex_init(KexMessage number, Bytes client_public) {
  return WireWriter().u8(static_cast<uint8_t>(number)).string(client_public).take();
}

// RFC 4253 section 8 and RFC 5656 section 4.
Result<Bytes> decode_kex_init(KexMessage number, Bytes payload) {
  WireReader reader(payload);
  if (reader.u8() != static_cast<uint8_t>(number)) return fail(ErrorCode::unexpected_message);
  const Bytes client_public = reader.string();
  if (!reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
  return client_public;
}

Payload encode_kex_reply(KexMessage number, const KexReply& reply) {
  return WireWriter()
      .u8(static_cast<uint8_t>(number))
      .string(reply.host_key)
      .string(reply.server_public)
      .string(reply.signature)
      .take();
}

// RFC 4253 section 8 and RFC 5656 section 4.
Result<KexReply> decode_kex_reply(KexMessage number, Bytes payload) {
  WireReader reader(payload);
  if (reader.u8() != static_cast<uint8_t>(number)) return fail(ErrorCode::unexpected_message);
  const Bytes host_key = reader.string();
  const Bytes server_public = reader.string();
  const Bytes signature = reader.string();
  if (!reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
  return KexReply{host_key, server_public, signature};
}

}  // namespace sluice
