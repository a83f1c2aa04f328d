// The table, and the exchange that all methods but one have: one public value each way.
#include "control/kex/kex_method.h"

#include <array>

#include "base/check.h"
#include "base/wire.h"
#include "control/kex/kem.h"
#include "control/kex/kex_messages.h"
#include "control/kex/key_agreement.h"

namespace sluice {
namespace {

// Hybrids first: what is recorded today must stay secret when quantum computers come. Then by cost. SHA-1 and 1024-bit
// methods are for peers that know nothing else, and stay off until an operator asks for them.
const std::array kMethods{
    KexMethod{"mlkem768x25519-sha256", HashId::sha256, 192, true, true, true, make_hybrid, 0, &kMlKem768},
    KexMethod{"sntrup761x25519-sha512", HashId::sha512, 153, true, true, true, make_hybrid, 0, &kSntrup761},
    KexMethod{"sntrup761x25519-sha512@openssh.com", HashId::sha512, 153, true, true, true, make_hybrid, 0, &kSntrup761},
    KexMethod{"curve25519-sha256", HashId::sha256, 128, false, true, true, make_x25519, 0, nullptr},
    KexMethod{"curve25519-sha256@libssh.org", HashId::sha256, 128, false, true, true, make_x25519, 0, nullptr},
    KexMethod{"ecdh-sha2-nistp256", HashId::sha256, 128, false, true, true, make_ecdh, 256, nullptr},
    KexMethod{"ecdh-sha2-nistp384", HashId::sha384, 192, false, true, false, make_ecdh, 384, nullptr},
    KexMethod{"ecdh-sha2-nistp521", HashId::sha512, 256, false, true, false, make_ecdh, 521, nullptr},
    KexMethod{"diffie-hellman-group-exchange-sha256", HashId::sha256, 112, false, true, false, nullptr, 0, nullptr},
    KexMethod{"diffie-hellman-group16-sha512", HashId::sha512, 152, false, true, false, make_dh, 4096, nullptr},
    KexMethod{"diffie-hellman-group18-sha512", HashId::sha512, 200, false, true, false, make_dh, 8192, nullptr},
    KexMethod{"diffie-hellman-group14-sha256", HashId::sha256, 112, false, true, false, make_dh, 2048, nullptr},
    KexMethod{"diffie-hellman-group14-sha1", HashId::sha1, 112, false, false, false, make_dh, 2048, nullptr},
    KexMethod{"diffie-hellman-group-exchange-sha1", HashId::sha1, 112, false, false, false, nullptr, 0, nullptr},
    KexMethod{"diffie-hellman-group1-sha1", HashId::sha1, 80, false, false, false, make_dh, 1024, nullptr},
};

std::vector<uint8_t> public_fields(Bytes client_public, Bytes server_public) {
  return WireWriter().string(client_public).string(server_public).take();
}

class PlainClient final : public KexClient {
 public:
  explicit PlainClient(const KexMethod& method) : agreement_(method.make_agreement(method)) {}

  void prepare() override { agreement_->prepare_client(); }

  Payload open() override {
    public_ = agreement_->client_public();
    return encode_kex_init(KexMessage::init, public_);
  }

  Result<KexStep> take(Bytes payload) override {
    // Keys serve one exchange: a second reply finds none.
    if (!agreement_ || public_.empty()) return fail(ErrorCode::unexpected_message);
    const auto reply = decode_kex_reply(KexMessage::reply, payload);
    if (!reply) return fail(reply.error());
    auto shared = std::exchange(agreement_, nullptr)->finish(reply->server_public);
    if (!shared) return fail(shared.error());
    return KexAgreed{public_fields(public_, reply->server_public),
                     std::move(*shared),
                     {reply->host_key.begin(), reply->host_key.end()},
                     {reply->signature.begin(), reply->signature.end()}};
  }

 private:
  std::unique_ptr<KeyAgreement> agreement_;
  std::vector<uint8_t> public_;
};

class PlainServer final : public KexServer {
 public:
  explicit PlainServer(const KexMethod& method) : agreement_(method.make_agreement(method)) {}

  void prepare() override { agreement_->prepare_server(); }

  Result<KexStep> take(Bytes payload) override {
    if (!agreement_) return fail(ErrorCode::unexpected_message);
    const auto client_public = decode_kex_init(KexMessage::init, payload);
    if (!client_public) return fail(client_public.error());
    auto response = std::exchange(agreement_, nullptr)->respond(*client_public);
    if (!response) return fail(response.error());
    public_ = std::move(response->server_public);
    return KexAgreed{public_fields(*client_public, public_), std::move(response->shared), {}, {}};
  }

  Payload reply(Bytes host_key, Bytes signature) const override {
    SLUICE_CHECK(!public_.empty());
    return encode_kex_reply(KexMessage::reply, {host_key, public_, signature});
  }

 private:
  std::unique_ptr<KeyAgreement> agreement_;
  std::vector<uint8_t> public_;
};

}  // namespace

std::span<const KexMethod> kex_methods() { return kMethods; }

const KexMethod* find_kex_method(std::string_view name) {
  for (const KexMethod& method : kMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

std::unique_ptr<KexClient> start_kex_client(const KexMethod& method, const KexOptions& options) {
  if (method.make_agreement == nullptr) return start_group_exchange_client(options);
  return std::make_unique<PlainClient>(method);
}

std::unique_ptr<KexServer> start_kex_server(const KexMethod& method, const KexOptions& options) {
  if (method.make_agreement == nullptr) return start_group_exchange_server(options);
  return std::make_unique<PlainServer>(method);
}

}  // namespace sluice
