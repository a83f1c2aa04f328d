// Public halves are read first, so that a passphrase is asked for only when a server takes the key.
#include "control/auth/client_keys.h"

#include <sys/stat.h>

#include "control/keys/guarded_file.h"
#include "control/keys/public_key_text.h"

namespace sluice {
namespace {

std::optional<PublicKey> public_half(const std::string& path, std::optional<PrivateKey>& opened) {
  const auto file = read_guarded_file(path, kMaxPrivateKeyFile, FileGuard::none);
  if (file) {
    if (auto half = public_half_of(file->view())) return std::move(*half);
    // PEM keeps no public half outside; one that is not encrypted shows it.
    if (auto key = load_private_key(path, [] { return std::optional<Secret>(); })) {
      opened = std::move(key->key);
      return opened->public_key();
    }
  }
  const auto beside = read_guarded_file(path + ".pub", kMaxPublicKeyText, FileGuard::none);
  if (!beside) return std::nullopt;
  auto key = read_public_key(beside->view());
  if (!key) return std::nullopt;
  return std::move(key->key);
}

bool exists(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

}  // namespace

ClientKeys::ClientKeys(ClientKeyOptions options, std::optional<AgentClient> agent, PassphrasePrompt prompt)
    : options_(std::move(options)), agent_(std::move(agent)), prompt_(std::move(prompt)) {
  std::vector<AgentKey> held;
  if (agent_) {
    if (auto listed = agent_->list())
      held = std::move(*listed);
    else
      problems_.push_back("agent: " + listed.error());
  }
  if (!options_.identities_only) {
    for (AgentKey& key : held) {
      identities_.push_back({key.key, key.comment});
      sources_.push_back({true, {}, std::nullopt});
    }
  }
  read_files(held);
}

void ClientKeys::read_files(const std::vector<AgentKey>& held) {
  for (const std::string& path : options_.files) {
    Source source;
    source.path = path;
    auto key = public_half(path, source.opened);
    if (!key) {
      if (options_.files_named || exists(path)) problems_.push_back(path + ": no key that can be used");
      continue;
    }
    bool listed = false;
    for (size_t i = 0; i < identities_.size(); ++i) {
      if (!(identities_[i].key == *key)) continue;
      listed = true;
      // Should the agent refuse, the file is still there.
      if (sources_[i].path.empty()) sources_[i].path = path;
    }
    if (listed) continue;
    for (const AgentKey& other : held) source.in_agent = source.in_agent || other.key == *key;
    identities_.push_back({std::move(*key), path});
    sources_.push_back(std::move(source));
  }
}

bool ClientKeys::open(Source& source) {
  for (unsigned attempt = 0; !source.opened && attempt < std::max(options_.passphrase_prompts, 1u); ++attempt) {
    bool asked = false;
    bool gave_up = false;
    auto key = load_private_key(source.path, [&]() -> std::optional<Secret> {
      asked = true;
      auto phrase = prompt_ ? prompt_(source.path, attempt) : std::nullopt;
      gave_up = !phrase;
      return phrase;
    });
    if (key) {
      source.opened = std::move(key->key);
    } else if (!asked || gave_up) {
      problems_.push_back(key.error());
      return false;
    }
  }
  return source.opened.has_value();
}

std::optional<std::vector<uint8_t>> ClientKeys::sign(size_t identity, std::string_view algorithm, Bytes data) {
  Source& source = sources_.at(identity);
  if (source.in_agent && agent_) {
    if (auto signature = agent_->sign(identities_[identity].key, algorithm, data)) return std::move(*signature);
    problems_.push_back(identities_[identity].name + ": the agent refused to sign");
  }
  if (source.path.empty() || !open(source)) return std::nullopt;
  // The file may have been replaced since its public half was read, or the .pub beside it be another's.
  if (!(source.opened->public_key() == identities_[identity].key)) {
    problems_.push_back(source.path + ": the private key is not the one of the public half");
    return std::nullopt;
  }
  auto signature = source.opened->sign(algorithm, data);
  if (!signature) return std::nullopt;
  return std::move(*signature);
}

}  // namespace sluice
