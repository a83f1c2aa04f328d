// HostKeys: the private host keys in the monitor's memory, found by their public blobs. They leave it in no form.
#pragma once

#include "control/engine/key_engine.h"
#include "control/keys/host_key_store.h"
#include "control/monitor/monitor_protocol.h"

namespace sluice {

// Which pairs of the store serve.
struct HostKeyChoice {
  std::string label{kDefaultKeyLabel};
  std::string rsa_label = {};  // empty: as the others
  bool allow_sha1 = false;     // ssh-rsa and ssh-dss too
};

class HostKeys {
 public:
  // Those of the chosen labels; there may be none.
  static ResultOrText<HostKeys> load(const HostKeyStore& store, const HostKeyChoice& choice = {});

  void add(PrivateKey key);
  // Those that an engine holds, each in the place of one of its type. What cannot be had is logged.
  void load_held(const KeyEngine& token, const std::vector<std::string>& names, const KeyLimits& limits = {});
  // In the store's order; algorithms in ours of preference.
  std::vector<OfferedHostKey> offered() const;
  // Null unless there is the key and the algorithm is one of its own that is allowed.
  std::shared_ptr<const PrivateKey> find(Bytes blob, std::string_view algorithm) const;

  bool empty() const { return keys_.empty(); }

  static HostKeys none(bool allow_sha1 = false) { return HostKeys(allow_sha1); }

 private:
  explicit HostKeys(bool allow_sha1) : allow_sha1_(allow_sha1) {}
  bool allowed(const SignatureAlgorithm& algorithm) const { return algorithm.on_by_default || allow_sha1_; }

  bool allow_sha1_;
  // Shared with jobs, so that a key may be replaced while one signs.
  std::vector<std::shared_ptr<const PrivateKey>> keys_;
};

// Whether a signature takes so long that it belongs on a pool thread: RSA and the large curves, a millisecond.
bool signs_slowly(KeyType type);

}  // namespace sluice
