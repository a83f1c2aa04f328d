// ClientKeys: the keys a client may log in with, from files and from an ssh-agent, and signing with each where it
// lives.
#pragma once

#include <functional>
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
  unsigned passphrase_prompts = 3;
};

// Asked with the path and the number of the try, from 0.
using PassphrasePrompt = std::function<std::optional<Secret>(const std::string& path, unsigned attempt)>;

class ClientKeys {
 public:
  // agent may be absent. Agent keys come first, in the agent's order, then those of files alone.
  ClientKeys(ClientKeyOptions options, std::optional<AgentClient> agent, PassphrasePrompt prompt);

  const std::vector<ClientIdentity>& identities() const { return identities_; }
  // What could not be read, for the user.
  const std::vector<std::string>& problems() const { return problems_; }
  // May ask the user and wait for him. Nothing when the key stays closed.
  std::optional<std::vector<uint8_t>> sign(size_t identity, std::string_view algorithm, Bytes data);

 private:
  struct Source {
    bool in_agent = false;
    std::string path;  // empty: the agent's alone
    std::optional<PrivateKey> opened;
  };

  void read_files(const std::vector<AgentKey>& held);
  bool open(Source& source);

  ClientKeyOptions options_;
  std::optional<AgentClient> agent_;
  PassphrasePrompt prompt_;
  std::vector<ClientIdentity> identities_;
  std::vector<Source> sources_;
  std::vector<std::string> problems_;
};

}  // namespace sluice
