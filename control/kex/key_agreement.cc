// What the families of methods share: the symmetric steps and the encodings.
#include "control/kex/key_agreement.h"

#include "base/wire.h"

namespace sluice {

Result<KeyResponse> SymmetricAgreement::respond(Bytes client_public) {
  prepare();
  auto shared = agree(client_public);
  if (!shared) return fail(shared.error());
  return KeyResponse{public_value(), std::move(*shared)};
}

Result<Secret> SymmetricAgreement::finish(Bytes server_public) {
  prepare();
  return agree(server_public);
}

// Not by WireWriter, whose buffer is not wiped.
Secret shared_string(Bytes secret) {
  Secret out(4 + secret.size());
  store_be32(out.data(), static_cast<uint32_t>(secret.size()));
  std::memcpy(out.data() + 4, secret.data(), secret.size());
  return out;
}

// Dropping leading zeros makes the length depend on the secret; RFC 4253 leaves no other way.
Secret shared_mpint(Bytes magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  const size_t pad = !magnitude.empty() && (magnitude[0] & 0x80) != 0 ? 1 : 0;
  Secret out(4 + pad + magnitude.size());
  store_be32(out.data(), static_cast<uint32_t>(pad + magnitude.size()));
  if (!magnitude.empty()) std::memcpy(out.data() + 4 + pad, magnitude.data(), magnitude.size());
  return out;
}

std::vector<uint8_t> mpint_content(Bytes magnitude) {
  WireWriter framed;
  framed.mpint(magnitude);
  const Bytes content = framed.view().subspan(4);
  return {content.begin(), content.end()};
}

// RFC 4251 section 5.
Result<Bytes> mpint_magnitude(Bytes content) {
  if (content.empty()) return content;
  if ((content[0] & 0x80) != 0) return fail(ErrorCode::malformed_message);
  if (content[0] != 0) return content;
  if (content.size() == 1 || (content[1] & 0x80) == 0) return fail(ErrorCode::malformed_message);
  return content.subspan(1);
}

}  // namespace sluice
