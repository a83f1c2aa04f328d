// HostKeyPolicy: whether a server's host key is believed: known_hosts files, StrictHostKeyChecking, and the user's
// word.
//
// It reads and writes files, so its calls belong on a thread of the work pool; it keeps no state between them, so that
// any thread may make them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/client/client_failure.h"
#include "control/keys/certificate.h"
#include "control/keys/known_hosts.h"

namespace sluice {

enum class StrictHostKeys : uint8_t { yes, accept_new, ask, no };

// What a program that knows hosts is asked.
struct KnownHostsQuery {
  std::string_view reason;         // "ORDER": which algorithms to prefer; "HOSTNAME": this key
  std::string host;                // as known_hosts would name it
  const PublicKey* key = nullptr;  // none yet where the order is asked for
};
// Lines of known_hosts. Runs on a thread that may wait.
using KnownHostsProgram = std::function<ResultOrText<std::string>(const KnownHostsQuery&)>;

struct HostKeyPolicyConfig {
  std::string host;  // the name that the user gave, or an alias that stands for it
  uint16_t port = kSshPort;
  StrictHostKeys strict = StrictHostKeys::ask;
  // New keys go to the first. "none" and "/dev/null" are no files.
  std::vector<std::string> user_files = {};
  std::vector<std::string> global_files = {};
  // Of keys and certificates that are not to be believed, whatever else is known; empty: none.
  std::string revoked_file = {};
  HostNaming naming = HostNaming::plain;
  KnownHostsProgram program = {};
  // That authorities may have signed certificates with; empty: none is believed.
  NameList authority_algorithms = {};
};

struct HostKeyDecision {
  enum class Kind : uint8_t { accept, ask, refuse };
  Kind kind = Kind::refuse;
  // accept: the user has known this key before, so that what its holder announces about others may be believed.
  bool trusted = false;
  bool remember = false;
  // accept: by `no`, though the key changed. What is typed may be read by anybody.
  bool unsafe = false;
  FailureKind failure = FailureKind::host_key_unknown;  // refuse
  std::string text = {};                                // accept: a notice or nothing; ask: the question; refuse: why
};

enum class HostKeyWord : uint8_t { yes, no, again };

class HostKeyPolicy {
 public:
  explicit HostKeyPolicy(HostKeyPolicyConfig config);

  HostKeyDecision decide(const PublicKey& key) const;
  // By its authority; where that says nothing, or nothing that holds, as the plain key in it.
  HostKeyDecision decide(const Certificate& certificate) const;
  // The user's answer to the question: yes, no, or the key's own fingerprint.
  static HostKeyWord read_word(std::string_view typed, const PublicKey& key);
  // Into the first file of the user. The notice to show.
  ResultOrText<std::string> remember(const PublicKey& key) const;
  // The algorithms of known keys first, so that a known host is asked for a key that can be compared; where an
  // authority is known for it, those of certificates before all, else behind all.
  NameList preferred(const NameList& algorithms) const;

  // The user's files only: what is known of the host, and making exactly `keys` of it where it is known.
  std::vector<PublicKey> known() const;
  ResultOrText<HostKeyUpdate> replace(std::span<const PublicKey> keys) const;

  const HostKeyPolicyConfig& config() const { return config_; }

 private:
  struct Found {
    HostAnswer answer;
    std::string file;
    bool in_user_file = false;
  };
  struct Source {
    KnownHosts hosts;
    std::string name;  // of a file or the program
    bool users = false;
  };
  struct Known {
    std::vector<Source> sources;
    std::string error;  // of the first that could not be read: it may hold the very line that matters
    std::string warning;
  };
  Known known(std::string_view reason, const PublicKey* key) const;
  // By what could be read, where that has to do.
  HostKeyDecision decide(const Known& known, const PublicKey& key) const;
  template <class Shown>
  Found look_up(const std::vector<Source>& sources, const Shown& shown) const;
  HostKeyDecision decide(const std::vector<Source>& sources, const PublicKey& key) const;
  HostKeyDecision refuse_revoked(const std::string& what, const std::string& where) const;
  // Nothing: the file says nothing against it.
  template <class Shown>
  std::optional<HostKeyDecision> look_for_revocation(const Shown& shown, const std::string& what) const;
  HostKeyDecision judge_changed(const PublicKey& key, const Found& found) const;
  HostKeyDecision judge_unknown(const PublicKey& key) const;

  HostKeyPolicyConfig config_;
};

}  // namespace sluice
