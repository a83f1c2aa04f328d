// ClientKeys: the keys a client may log in with, from files and from an ssh-agent, and signing with each where it
// lives.
//
// Everything here may wait for a disk or for the agent, so it runs on a thread of the work pool, one call at a time.
// Nothing here asks anybody: a passphrase that is wanted is an answer, and the caller comes back with one.
#pragma once

#include <optional>

#include "control/auth/auth_client.h"
#include "control/keys/agent.h"
#include "control/keys/private_key_file.h"

namespace sluice {

// AddKeysToAgent: what becomes of a key of a file once it has signed.
struct AgentLoan {
  bool wanted = false;
  bool ask_first = false;
  AgentConstraints constraints = {};
};

struct ClientKeyOptions {
  std::vector<std::string> files = {};
  // True for files that the user named; a default path that is not there is no news.
  bool files_named = false;
  // Only keys of the files, though an agent may hold their private halves.
  bool identities_only = false;
  // Besides those that lie beside the files as FILE-cert.pub.
  std::vector<std::string> certificates = {};
  KeyLimits limits = {};
  AgentLoan agent_loan = {};
};

// One try to sign. Neither of the first two: the key cannot be used.
struct SigningTry {
  std::optional<std::vector<uint8_t>> signature;
  std::optional<std::string> wants_passphrase = {};  // of the file at this path
  // The user is to be asked whether the agent shall have the key of this file; then lend().
  std::optional<std::string> may_be_lent = {};
};

class ClientKeys {
 public:
  // agent may be absent. Certificates come first, then the agent's keys that files name, its other keys in its order,
  // then those of files alone: servers bear few tries.
  ClientKeys(ClientKeyOptions options, std::optional<AgentClient> agent);
  // agent_path is the value of SSH_AUTH_SOCK or empty; an agent that does not answer is one of the problems.
  static ClientKeys load(ClientKeyOptions options, const std::string& agent_path);

  const std::vector<ClientIdentity>& identities() const { return identities_; }
  // What could not be read, for the user.
  const std::vector<std::string>& problems() const { return problems_; }
  // passphrase: nothing at the first try; with a wrong one it is wanted again.
  SigningTry sign(size_t identity, std::string_view algorithm, Bytes data, const std::optional<Secret>& passphrase);
  // Gives the agent the key that an identity's file has; one that refuses is one of the problems.
  void lend(size_t identity);

 private:
  struct PrivateFile {
    std::string path;
    std::optional<PrivateKey> opened;
    bool lent = false;  // or offered
  };
  struct Source {
    std::optional<std::vector<uint8_t>> agent_blob = {};  // by which the agent knows it
    std::shared_ptr<PrivateFile> file = {};               // a certificate's and its key's is one
  };
  struct FileKey {
    PublicKey key;
    std::shared_ptr<PrivateFile> file;
  };

  std::vector<FileKey> read_files();
  void read_certificates(const std::vector<FileKey>& files, const std::vector<AgentKey>& held);
  void add_certificate(const std::string& path, bool named, const std::vector<FileKey>& files,
                       const std::vector<AgentKey>& held);
  void add(ClientIdentity identity, Source source);
  bool has(Bytes blob) const;
  void make_ready();
  // False: closed, and `asked` says whether a passphrase would open it.
  bool open(PrivateFile& file, const std::optional<Secret>& passphrase, bool& asked);

  ClientKeyOptions options_;
  std::optional<AgentClient> agent_;
  std::vector<ClientIdentity> identities_;
  std::vector<Source> sources_;
  std::vector<std::string> problems_;
};

}  // namespace sluice
