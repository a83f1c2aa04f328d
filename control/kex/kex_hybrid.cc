// Hybrid methods: a key encapsulation and X25519 side by side, so that both must be broken.
//
// draft-ietf-sshm-mlkem-hybrid-kex and draft-ietf-sshm-ntruprime-ssh: public values are the two concatenated, and
// K = HASH(K_PQ || K_CL), hashed on as a string.
#include <optional>

#include "control/kex/hash.h"
#include "control/kex/kem.h"
#include "control/kex/kex_method.h"
#include "control/kex/kex_x25519.h"
#include "control/kex/key_agreement.h"

namespace sluice {
namespace {

class HybridAgreement final : public KeyAgreement {
 public:
  explicit HybridAgreement(const KexMethod& method) : kem_(*method.kem), hash_(method.hash) {}

  void prepare_client() override {
    if (kem_keys_.secret_key.empty()) kem_keys_ = kem_.generate();
    prepare_server();
  }
  // The server's half of the encapsulation needs the client's key.
  void prepare_server() override {
    if (!x25519_) x25519_ = X25519Key::generate();
  }

  std::vector<uint8_t> client_public() override {
    prepare_client();
    return joined(kem_keys_.public_key);
  }

  Result<KeyResponse> respond(Bytes client_public) override {
    prepare_server();
    if (client_public.size() != kem_.public_key_size + X25519Key::kSize) return fail(ErrorCode::malformed_message);
    auto classical = x25519_->agree(client_public.last(X25519Key::kSize));
    if (!classical) return fail(classical.error());
    auto encapsulated = kem_.encapsulate(client_public.first(kem_.public_key_size));
    if (!encapsulated) return fail(encapsulated.error());
    return KeyResponse{joined(encapsulated->ciphertext), combine(encapsulated->shared, *classical)};
  }

  Result<Secret> finish(Bytes server_public) override {
    prepare_client();
    if (server_public.size() != kem_.ciphertext_size + X25519Key::kSize) return fail(ErrorCode::malformed_message);
    auto classical = x25519_->agree(server_public.last(X25519Key::kSize));
    if (!classical) return fail(classical.error());
    auto decapsulated = kem_.decapsulate(kem_keys_.secret_key, server_public.first(kem_.ciphertext_size));
    if (!decapsulated) return fail(decapsulated.error());
    return combine(*decapsulated, *classical);
  }

 private:
  std::vector<uint8_t> joined(Bytes post_quantum) const {
    std::vector<uint8_t> out(post_quantum.begin(), post_quantum.end());
    out.insert(out.end(), x25519_->public_key().begin(), x25519_->public_key().end());
    return out;
  }

  Secret combine(const Secret& post_quantum, const Secret& classical) const {
    Secret hashed(hash_size(hash_));
    hash_into(hash_, {post_quantum.view(), classical.view()}, hashed.view());
    return shared_string(hashed.view());
  }

  const Kem& kem_;
  HashId hash_;
  KemKeyPair kem_keys_;
  std::optional<X25519Key> x25519_;
};

}  // namespace

std::unique_ptr<KeyAgreement> make_hybrid(const KexMethod& method) { return std::make_unique<HybridAgreement>(method); }

}  // namespace sluice
