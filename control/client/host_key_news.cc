// Lists of keys in, differences and verdicts out.
#include "control/client/host_key_news.h"

#include <algorithm>

#include "base/wire.h"
#include "control/keys/host_key_proof.h"

namespace sluice {
namespace {

// A key that was learnt when shorter ones were allowed is not gone as long as it is announced.
constexpr KeyLimits kAnnouncedLimits{.min_rsa_bits = kRsaBitsFloor};

bool has(std::span<const PublicKey> keys, const PublicKey& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

ResultOrText<std::vector<PublicKey>> parse_announcement(Bytes body, Bytes key_in_use) {
  WireReader in(body);
  std::vector<PublicKey> keys;
  bool names_own = false;
  for (size_t count = 0; in.ok() && !in.at_end(); ++count) {
    if (count == kMaxAnnouncedKeys) return fail("the server announces too many host keys");
    const Bytes blob = in.string();
    if (!in.ok()) break;
    names_own = names_own || std::equal(blob.begin(), blob.end(), key_in_use.begin(), key_in_use.end());
    auto key = PublicKey::parse(blob, kAnnouncedLimits);
    if (!key) {
      // Types to come, and certificates.
      if (key.error() == KeyError::malformed || key.error() == KeyError::trailing_bytes)
        return fail("the server announces a malformed host key");
      continue;
    }
    if (preferred_algorithm(key->type()) == nullptr) continue;
    if (has(keys, *key)) return fail("the server announces a host key twice");
    keys.push_back(std::move(*key));
  }
  if (!in.ok()) return fail("the server's announcement of host keys is malformed");
  if (!names_own) return fail("the server's announcement lacks the host key in use");
  return keys;
}

HostKeyNews compare_host_keys(std::vector<PublicKey> announced, std::span<const PublicKey> known) {
  HostKeyNews news;
  for (const PublicKey& key : known)
    if (!has(announced, key)) news.gone.push_back(key);
  for (PublicKey& key : announced) {
    const bool is_known = has(known, key);
    // Too short to be learnt today.
    if (!is_known && !PublicKey::parse(key.blob())) continue;
    if (!is_known) news.fresh.push_back(key);
    news.announced.push_back(std::move(key));
  }
  return news;
}

std::vector<uint8_t> proofs_wanted(std::span<const PublicKey> keys) {
  WireWriter out;
  for (const PublicKey& key : keys) out.string(key.blob());
  return out.take();
}

ResultOrText<void> check_proofs(Bytes answer, std::span<const PublicKey> keys, Bytes session_id) {
  WireReader in(answer);
  for (const PublicKey& key : keys) {
    const Bytes signature = in.string();
    if (!in.ok()) return fail("the server proved too few of its host keys");
    // An RSA key may sign with either SHA-2: the proof itself says which. SHA-1 proves nothing any more.
    WireReader inside(signature);
    const std::string_view algorithm = inside.text();
    const SignatureAlgorithm* row = inside.ok() ? find_signature_algorithm(algorithm) : nullptr;
    if (row == nullptr || !row->on_by_default) return fail("a host key's proof has an unknown or weak signature");
    const auto verified = key.verify(signature, algorithm, host_key_proof_data(session_id, key.blob()));
    if (!verified) return fail("a host key's proof: " + std::string(describe(verified.error())));
  }
  if (!in.at_end()) return fail("the server sent more proofs than were wanted");
  return {};
}

}  // namespace sluice
