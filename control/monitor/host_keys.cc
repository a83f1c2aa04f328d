// Loading, listing and finding host keys.
#include "control/monitor/host_keys.h"

#include <algorithm>

#include "base/log.h"

namespace sluice {
namespace {

// Names of algorithms and their lengths beside a listed key.
constexpr size_t kListedOverhead = 128;

}  // namespace

void HostKeys::load_held(const KeyEngine& token, const std::vector<std::string>& names, const KeyLimits& limits) {
  for (const std::string& name : names) {
    auto held = token.load_key(name);
    if (!held) {
      log_line(LogLevel::error, "host key: " + held.error());
      continue;
    }
    auto key = PrivateKey::held_elsewhere(*held, limits);
    if (!key) {
      log_line(LogLevel::error, "host key " + name + ": " + std::string(describe(key.error())));
      continue;
    }
    std::erase_if(keys_, [&](const auto& other) { return other->type() == key->type(); });
    add(std::move(*key));
  }
}

ResultOrText<HostKeys> HostKeys::load(const HostKeyStore& store, const HostKeyChoice& choice) {
  HostKeys keys(choice.allow_sha1);
  std::vector<std::string> problems;
  const auto listed = store.list(&problems);
  if (!listed) return fail(listed.error());
  for (const std::string& problem : problems) log_line(LogLevel::warning, "host key: " + problem);
  for (const HostKeyInfo& info : *listed) {
    const bool rsa = info.key.type() == KeyType::rsa && !choice.rsa_label.empty();
    if (info.label != (rsa ? choice.rsa_label : choice.label)) continue;
    auto key = store.load(info.key.type(), info.label);
    if (!key) return fail(key.error());
    keys.add(std::move(*key));
  }
  return keys;
}

void HostKeys::add(PrivateKey key) { keys_.push_back(std::make_shared<const PrivateKey>(std::move(key))); }

std::vector<OfferedHostKey> HostKeys::offered() const {
  std::vector<OfferedHostKey> list;
  size_t room = kMaxMonitorBody / 2;
  for (const auto& key : keys_) {
    const size_t size = key->public_key().blob().size() + kListedOverhead;
    if (size > room) {
      log_line(LogLevel::warning, "host keys: there are more than can be offered");
      break;
    }
    room -= size;
    OfferedHostKey offer;
    const Bytes blob = key->public_key().blob();
    offer.blob.assign(blob.begin(), blob.end());
    for (const SignatureAlgorithm& algorithm : all_signature_algorithms())
      if (algorithm.key_type == key->type() && allowed(algorithm)) offer.algorithms.emplace_back(algorithm.name);
    if (!offer.algorithms.empty()) list.push_back(std::move(offer));
  }
  return list;
}

std::shared_ptr<const PrivateKey> HostKeys::find(Bytes blob, std::string_view algorithm) const {
  const SignatureAlgorithm* row = find_signature_algorithm(algorithm);
  if (!row || !allowed(*row)) return nullptr;
  for (const auto& key : keys_) {
    const Bytes own = key->public_key().blob();
    if (key->type() == row->key_type && std::equal(own.begin(), own.end(), blob.begin(), blob.end())) return key;
  }
  return nullptr;
}

bool signs_slowly(KeyType type) { return type != KeyType::ed25519 && type != KeyType::ecdsa_nistp256; }

}  // namespace sluice
