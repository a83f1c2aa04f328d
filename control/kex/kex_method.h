// The key exchange methods as a const table, and one object for each side of a running exchange.
//
// 1. client.open() is the client's first message.
// 2. take() is given each message of the method that arrives. It gives the message to answer with, or the agreement.
// 3. The server hashes and signs what was agreed and sends reply(); the client has host key and signature in hand.
// Payloads begin with the message number. Nothing here blocks or does I/O; one thread at a time may use an exchange.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "control/kex/hash.h"

namespace sluice {

struct Kem;
class KeyAgreement;
class Moduli;

struct KexMethod {
  std::string_view name;
  HashId hash;
  // What the best known classical attack costs, in bits.
  uint16_t strength;
  bool post_quantum;
  bool on_by_default;
  // A step, once keys are prepared, costs less than a tenth of a millisecond on either side.
  bool quick;
  // Null for group exchange, whose group comes first.
  std::unique_ptr<KeyAgreement> (*make_agreement)(const KexMethod& method);
  // Of the curve or the modulus.
  uint16_t size_bits;
  const Kem* kem;
};

// In the order of our preference, as it goes into KEXINIT.
std::span<const KexMethod> kex_methods();
const KexMethod* find_kex_method(std::string_view name);

// Bounds of a group exchange. Above 8192 bits a modulus costs a peer's client or us seconds of CPU; below 2048 it is in
// reach of a well-funded attacker.
struct KexOptions {
  unsigned min_modulus = 2048;
  unsigned preferred_modulus = 3072;
  unsigned max_modulus = 8192;
  // Without it, or where it has nothing that fits, the server uses the groups of RFC 3526.
  const Moduli* moduli = nullptr;
};

using Payload = std::vector<uint8_t>;

struct KexAgreed {
  // What stands between K_S and K in the exchange hash.
  std::vector<uint8_t> hash_fields;
  // K in the encoding in which it is hashed.
  Secret shared;
  // Empty on the server.
  std::vector<uint8_t> host_key;
  std::vector<uint8_t> signature;
};

using KexStep = std::variant<Payload, KexAgreed>;

class KexClient {
 public:
  virtual ~KexClient() = default;
  // Makes the ephemeral keys, which is the slow part, ahead of open(); on whatever thread. Never needed, never harmful.
  virtual void prepare() = 0;
  virtual Payload open() = 0;
  virtual Result<KexStep> take(Bytes payload) = 0;
};

class KexServer {
 public:
  virtual ~KexServer() = default;
  virtual void prepare() = 0;
  virtual Result<KexStep> take(Bytes payload) = 0;
  // Once agreed.
  virtual Payload reply(Bytes host_key, Bytes signature) const = 0;
};

std::unique_ptr<KexClient> start_kex_client(const KexMethod& method, const KexOptions& options);
std::unique_ptr<KexServer> start_kex_server(const KexMethod& method, const KexOptions& options);

}  // namespace sluice
