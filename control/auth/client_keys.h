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

struct ClientKeyOptions {
  std::vector<std::string> files = {};
  // True for files that the user named; a default path that is not there is no news.
  bool files_named = false;
  // Only keys of the files, though an agent may hold their private halves.
  bool identities_only = false;
};

// One try to sign. Neither field: the key cannot be used.
struct SigningTry {
  std::optional<std::vector<uint8_t>> signature;
  std::optional<std::string> wants_passphrase;  // of the file at this path
};

class ClientKeys {
 public:
  // agent may be absent. Agent keys come first, in the agent's order, then those of files alone.
  ClientKeys(ClientKeyOptions options, std::optional<AgentClient> agent);
  // agent_path is the value of SSH_AUTH_SOCK or empty; an agent that does not answer is one of the problems.
  static ClientKeys load(ClientKeyOptions options, const std::string& agent_path);

  const std::vector<ClientIdentity>& identities() const { return identities_; }
  // What could not be read, for the user.
  const std::vector<std::string>& problems() const { return problems_; }
  // passphrase: nothing at the first try; with a wrong one it is wanted again.
  SigningTry sign(size_t identity, std::string_view algorithm, Bytes data, const std::optional<Secret>& passphrase);

 private:
  struct Source {
    bool in_agent = false;
    std::string path;  // empty: the agent's alone
    std::optional<PrivateKey> opened;
  };

  void read_files(const std::vector<AgentKey>& held);
  // False: closed, and `asked` says whether a passphrase would open it.
  bool open(Source& source, const std::optional<Secret>& passphrase, bool& asked);

  ClientKeyOptions options_;
  std::optional<AgentClient> agent_;
  std::vector<ClientIdentity> identities_;
  std::vector<Source> sources_;
  std::vector<std::string> problems_;
};

}  // namespace sluice
