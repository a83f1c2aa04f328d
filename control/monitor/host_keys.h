// HostKeys: the private host keys in the monitor's memory, found by their public blobs. They leave it in no form.
#pragma once

#include <functional>
#include "control/keys/host_key_store.h"
#include "control/monitor/monitor_protocol.h"

namespace sluice {

class HostKeys {
 public:
  // Every key of the store. allow_sha1: ssh-rsa and ssh-dss too.
  static ResultOrText<HostKeys> load(const HostKeyStore& store, bool allow_sha1 = false);
  // Those of one label; of RSA those of another one, where it is given.
  static ResultOrText<HostKeys> load_labelled(const HostKeyStore& store, std::string_view label,
                                              std::string_view rsa_label);

  void add(PrivateKey key);
  // In the store's order; algorithms in ours of preference.
  std::vector<OfferedHostKey> offered() const;
  // Null unless there is the key and the algorithm is one of its own that is allowed.
  std::shared_ptr<const PrivateKey> find(Bytes blob, std::string_view algorithm) const;

  static HostKeys none(bool allow_sha1 = false) { return HostKeys(allow_sha1); }

 private:
  static ResultOrText<HostKeys> load_if(const HostKeyStore& store, bool allow_sha1,
                                        const std::function<bool(const HostKeyInfo&)>& wanted);
  explicit HostKeys(bool allow_sha1) : allow_sha1_(allow_sha1) {}
  bool allowed(const SignatureAlgorithm& algorithm) const { return algorithm.on_by_default || allow_sha1_; }

  bool allow_sha1_;
  // Shared with jobs, so that a key may be replaced while one signs.
  std::vector<std::shared_ptr<const PrivateKey>> keys_;
};

// Whether a signature takes so long that it belongs on a pool thread: RSA and the large curves, a millisecond.
bool signs_slowly(KeyType type);

}  // namespace sluice
