// Diffie-Hellman group exchange, RFC 4419: the client names the sizes it accepts, the server chooses a group in them.
#include <algorithm>

#include "base/check.h"
#include "base/wire.h"
#include "control/kex/kex_dh.h"
#include "control/kex/kex_messages.h"
#include "control/kex/moduli.h"

namespace sluice {
namespace {

struct Sizes {
  uint32_t min;
  uint32_t preferred;
  uint32_t max;
};

std::vector<uint8_t> exchange_fields(const Sizes& sizes, const DhGroup& group, Bytes client_public,
                                     Bytes server_public) {
  return WireWriter()
      .u32(sizes.min)
      .u32(sizes.preferred)
      .u32(sizes.max)
      .mpint(group.modulus_bytes())
      .mpint(group.generator_bytes())
      .string(client_public)
      .string(server_public)
      .take();
}

class GroupExchangeClient final : public KexClient {
 public:
  explicit GroupExchangeClient(const KexOptions& options) {
    SLUICE_CHECK(options.min_modulus <= options.max_modulus);
    const unsigned preferred = std::clamp(options.preferred_modulus, options.min_modulus, options.max_modulus);
    sizes_ = {options.min_modulus, preferred, options.max_modulus};
  }

  // Nothing to make before the group is known.
  void prepare() override {}

  Payload open() override {
    opened_ = true;
    return WireWriter()
        .u8(static_cast<uint8_t>(KexMessage::group_request))
        .u32(sizes_.min)
        .u32(sizes_.preferred)
        .u32(sizes_.max)
        .take();
  }

  Result<KexStep> take(Bytes payload) override {
    if (!opened_) return fail(ErrorCode::unexpected_message);
    if (!group_) return take_group(payload);
    if (!agreement_) return fail(ErrorCode::unexpected_message);
    const auto reply = decode_kex_reply(KexMessage::group_reply, payload);
    if (!reply) return fail(reply.error());
    auto shared = std::exchange(agreement_, nullptr)->finish(reply->server_public);
    if (!shared) return fail(shared.error());
    return KexAgreed{exchange_fields(sizes_, *group_, public_, reply->server_public),
                     std::move(*shared),
                     {reply->host_key.begin(), reply->host_key.end()},
                     {reply->signature.begin(), reply->signature.end()}};
  }

 private:
  // RFC 4419 section 3.
  Result<KexStep> take_group(Bytes payload) {
    WireReader reader(payload);
    if (reader.u8() != static_cast<uint8_t>(KexMessage::group)) return fail(ErrorCode::unexpected_message);
    const Bytes modulus = reader.mpint();
    const Bytes generator = reader.mpint();
    if (!reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
    if (modulus.size() > (sizes_.max + 7) / 8) return fail(ErrorCode::key_exchange_value);
    auto group = DhGroup::from(modulus, generator);
    if (!group) return fail(group.error());
    if ((*group)->bits() < sizes_.min || (*group)->bits() > sizes_.max) return fail(ErrorCode::key_exchange_value);
    group_ = std::move(*group);
    agreement_ = std::make_unique<DhAgreement>(group_);
    public_ = agreement_->client_public();
    if (!agreement_->has_public_value()) return fail(ErrorCode::key_exchange_value);
    return encode_kex_init(KexMessage::group_init, public_);
  }

  Sizes sizes_{};
  bool opened_ = false;
  std::shared_ptr<const DhGroup> group_;
  std::unique_ptr<DhAgreement> agreement_;
  std::vector<uint8_t> public_;
};

class GroupExchangeServer final : public KexServer {
 public:
  explicit GroupExchangeServer(const KexOptions& options) : options_(options) {}

  // Useful between our group and the client's answer.
  void prepare() override {
    if (agreement_) agreement_->prepare_server();
  }

  Result<KexStep> take(Bytes payload) override {
    if (!group_) return take_request(payload);
    if (!agreement_) return fail(ErrorCode::unexpected_message);
    const auto client_public = decode_kex_init(KexMessage::group_init, payload);
    if (!client_public) return fail(client_public.error());
    auto response = std::exchange(agreement_, nullptr)->respond(*client_public);
    if (!response) return fail(response.error());
    public_ = std::move(response->server_public);
    return KexAgreed{exchange_fields(sizes_, *group_, *client_public, public_), std::move(response->shared), {}, {}};
  }

  Payload reply(Bytes host_key, Bytes signature) const override {
    SLUICE_CHECK(!public_.empty());
    return encode_kex_reply(KexMessage::group_reply, {host_key, public_, signature});
  }

 private:
  // RFC 4419 section 3. The old request of one number has no bounds that a client could hold us to: it is not served.
  Result<KexStep> take_request(Bytes payload) {
    WireReader reader(payload);
    if (reader.u8() != static_cast<uint8_t>(KexMessage::group_request)) return fail(ErrorCode::unexpected_message);
    sizes_ = {reader.u32(), reader.u32(), reader.u32()};
    if (!reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
    if (sizes_.min > sizes_.preferred || sizes_.preferred > sizes_.max) return fail(ErrorCode::key_exchange_value);
    group_ = choose_group();
    if (!group_) return fail(ErrorCode::key_exchange_value);
    agreement_ = std::make_unique<DhAgreement>(group_);
    return WireWriter()
        .u8(static_cast<uint8_t>(KexMessage::group))
        .mpint(group_->modulus_bytes())
        .mpint(group_->generator_bytes())
        .take();
  }

  std::shared_ptr<const DhGroup> choose_group() const {
    const unsigned min = std::max(options_.min_modulus, sizes_.min);
    const unsigned max = std::min(options_.max_modulus, sizes_.max);
    if (min > max) return nullptr;
    const unsigned preferred = std::clamp(sizes_.preferred, min, max);
    if (options_.moduli != nullptr) {
      if (const Moduli::Row* row = options_.moduli->choose(min, preferred, max)) {
        if (auto group = DhGroup::from(row->modulus, row->generator)) return std::move(*group);
      }
    }
    unsigned best = 0;
    for (unsigned bits : {2048u, 3072u, 4096u, 6144u, 8192u}) {
      if (bits >= min && bits <= max && best < preferred) best = bits;
    }
    return DhGroup::standard(best);
  }

  KexOptions options_;
  Sizes sizes_{};
  std::shared_ptr<const DhGroup> group_;
  std::unique_ptr<DhAgreement> agreement_;
  std::vector<uint8_t> public_;
};

}  // namespace

std::unique_ptr<KexClient> start_group_exchange_client(const KexOptions& options) {
  return std::make_unique<GroupExchangeClient>(options);
}

std::unique_ptr<KexServer> start_group_exchange_server(const KexOptions& options) {
  return std::make_unique<GroupExchangeServer>(options);
}

}  // namespace sluice
