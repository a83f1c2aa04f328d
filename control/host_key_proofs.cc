// Blobs to keys.
#include "control/host_key_proofs.h"

#include <algorithm>

#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {
namespace {

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<uint8_t> write_host_keys_request(const std::vector<OfferedHostKey>& keys, const NameList& allowed) {
  WireWriter message;
  message.u8(kMsgGlobalRequest).string(kHostKeysAnnounced).boolean(false);
  for (const OfferedHostKey& key : keys) {
    const bool usable = std::any_of(key.algorithms.begin(), key.algorithms.end(),
                                    [&](const std::string& name) { return has(allowed, name); });
    if (usable) message.string(key.blob);
  }
  return message.take();
}

std::optional<std::vector<ProofKey>> read_prove_request(Bytes data, const std::vector<OfferedHostKey>& keys,
                                                        std::string_view negotiated_algorithm) {
  std::vector<ProofKey> wanted;
  WireReader reader(data);
  while (!reader.at_end()) {
    const Bytes blob = reader.string();
    if (!reader.ok() || wanted.size() == kMaxProofKeys) return std::nullopt;
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const OfferedHostKey& offered) {
      return std::equal(offered.blob.begin(), offered.blob.end(), blob.begin(), blob.end());
    });
    if (key == keys.end() || key->algorithms.empty()) return std::nullopt;
    const bool as_agreed = has(key->algorithms, negotiated_algorithm);
    wanted.push_back({key->blob, as_agreed ? std::string(negotiated_algorithm) : key->algorithms.front()});
  }
  if (wanted.empty()) return std::nullopt;
  return wanted;
}

std::optional<std::vector<uint8_t>> write_proofs(const std::vector<std::vector<uint8_t>>& signatures, size_t wanted) {
  if (signatures.size() != wanted) return std::nullopt;
  WireWriter data;
  for (const auto& signature : signatures) {
    if (signature.empty()) return std::nullopt;
    data.string(signature);
  }
  return data.take();
}

}  // namespace sluice
