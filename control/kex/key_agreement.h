// KeyAgreement: one side's ephemeral key and what it makes of the peer's, without the messages around it.
//
// A public value is the content of its field. RFC 4251 frames strings and mpints alike, so that the messages and the
// exchange hash need not know which of the two a method has.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace sluice {

struct KexMethod;

struct KeyResponse {
  std::vector<uint8_t> server_public;
  // As it goes into the exchange hash: with its length, as a string or an mpint.
  Secret shared;
};

class KeyAgreement {
 public:
  virtual ~KeyAgreement() = default;

  virtual void prepare_client() = 0;
  virtual void prepare_server() = 0;
  // The following prepare what has not been prepared.
  virtual std::vector<uint8_t> client_public() = 0;
  virtual Result<KeyResponse> respond(Bytes client_public) = 0;
  virtual Result<Secret> finish(Bytes server_public) = 0;
};

// Methods where both sides do the same: a value out, a value in.
class SymmetricAgreement : public KeyAgreement {
 public:
  void prepare_client() final { prepare(); }
  void prepare_server() final { prepare(); }
  std::vector<uint8_t> client_public() final {
    prepare();
    return public_value();
  }
  Result<KeyResponse> respond(Bytes client_public) final;
  Result<Secret> finish(Bytes server_public) final;

 protected:
  virtual void prepare() = 0;
  virtual std::vector<uint8_t> public_value() const = 0;
  virtual Result<Secret> agree(Bytes peer) const = 0;
};

std::unique_ptr<KeyAgreement> make_x25519(const KexMethod& method);
std::unique_ptr<KeyAgreement> make_ecdh(const KexMethod& method);
std::unique_ptr<KeyAgreement> make_dh(const KexMethod& method);
std::unique_ptr<KeyAgreement> make_hybrid(const KexMethod& method);

// The two encodings of a shared secret.
Secret shared_string(Bytes secret);
Secret shared_mpint(Bytes magnitude);

// The content of an mpint field and back; negative and padded ones are malformed.
std::vector<uint8_t> mpint_content(Bytes magnitude);
Result<Bytes> mpint_magnitude(Bytes content);

}  // namespace sluice
