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

ClientKeys ClientKeys::load(ClientKeyOptions options, const std::string& agent_path) {
  std::optional<AgentClient> agent;
  std::string problem;
  if (!agent_path.empty()) {
    if (auto connected = AgentClient::connect(agent_path))
      agent = std::move(*connected);
    else
      problem = "agent: " + connected.error();
  }
  ClientKeys keys(std::move(options), std::move(agent));
  if (!problem.empty()) keys.problems_.push_back(std::move(problem));
  return keys;
}

ClientKeys::ClientKeys(ClientKeyOptions options, std::optional<AgentClient> agent)
    : options_(std::move(options)), agent_(std::move(agent)) {
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

bool ClientKeys::open(Source& source, const std::optional<Secret>& passphrase, bool& asked) {
  if (source.opened) return true;
  auto key = load_private_key(source.path, [&]() -> std::optional<Secret> {
    asked = true;
    return passphrase ? std::optional<Secret>(Secret(passphrase->view())) : std::nullopt;
  });
  if (key) source.opened = std::move(key->key);
  // Another passphrase may open it: no problem yet.
  if (!key && !asked) problems_.push_back(key.error());
  return source.opened.has_value();
}

SigningTry ClientKeys::sign(size_t identity, std::string_view algorithm, Bytes data,
                            const std::optional<Secret>& passphrase) {
  Source& source = sources_.at(identity);
  if (source.in_agent && agent_) {
    if (auto signature = agent_->sign(identities_[identity].key, algorithm, data)) return {std::move(*signature), {}};
    problems_.push_back(identities_[identity].name + ": the agent refused to sign");
    // Asked once: the tries that follow are about the file's passphrase.
    source.in_agent = false;
  }
  if (source.path.empty()) return {};
  bool asked = false;
  if (!open(source, passphrase, asked)) return asked ? SigningTry{{}, source.path} : SigningTry{};
  // The file may have been replaced since its public half was read, or the .pub beside it be another's.
  if (!(source.opened->public_key() == identities_[identity].key)) {
    problems_.push_back(source.path + ": the private key is not the one of the public half");
    return {};
  }
  auto signature = source.opened->sign(algorithm, data);
  if (!signature) return {};
  return {std::move(*signature), {}};
}

}  // namespace sluice
