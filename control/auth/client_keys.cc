// Public halves are read first, so that a passphrase is asked for only when a server takes the key.
#include "control/auth/client_keys.h"

#include <sys/stat.h>

#include <algorithm>

#include "control/keys/guarded_file.h"
#include "control/keys/public_key_text.h"

namespace sluice {
namespace {

std::optional<PublicKey> public_half(const std::string& path, std::optional<PrivateKey>& opened,
                                     const KeyLimits& limits) {
  const auto file = read_guarded_file(path, kMaxPrivateKeyFile, FileGuard::none);
  if (file) {
    if (auto half = public_half_of(file->view(), limits)) return std::move(*half);
    // A public half alone says which of the agent's keys is meant.
    if (auto key = read_public_key(file->view(), limits)) return std::move(key->key);
    // PEM keeps no public half outside; one that is not encrypted shows it.
    if (auto key = load_private_key(path, [] { return std::optional<Secret>(); }, {.key = limits})) {
      opened = std::move(key->key);
      return opened->public_key();
    }
  }
  const auto beside = read_guarded_file(path + ".pub", kMaxPublicKeyText, FileGuard::none);
  if (!beside) return std::nullopt;
  auto key = read_public_key(beside->view(), limits);
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
    if (auto listed = agent_->list(options_.limits))
      held = std::move(*listed);
    else
      problems_.push_back("agent: " + listed.error());
  }
  const std::vector<FileKey> files = read_files();
  read_certificates(files, held);
  const auto file_of = [&](const PublicKey& key) -> std::shared_ptr<PrivateFile> {
    for (const FileKey& file : files)
      if (file.key == key) return file.file;
    return nullptr;
  };
  for (const bool listed : {true, false}) {
    if (!listed && options_.identities_only) break;
    for (const AgentKey& key : held) {
      const auto file = key.certificate ? nullptr : file_of(key.key);
      if ((file != nullptr) != listed || has(key.blob())) continue;
      // Should the agent refuse, the file is still there.
      const Bytes blob = key.blob();
      add({key.key, key.comment, key.certificate}, {std::vector<uint8_t>(blob.begin(), blob.end()), file});
    }
  }
  for (const FileKey& file : files) {
    if (!has(file.key.blob())) add({file.key, file.file->path}, {std::nullopt, file.file});
  }
  make_ready();
}

// Of several keys the server is asked first which one it takes, and so is it before an agent asks its user.
void ClientKeys::make_ready() {
  if (identities_.size() != 1 || !sources_.front().file || sources_.front().agent_blob) return;
  PrivateFile& file = *sources_.front().file;
  if (!file.opened) {
    // Whatever is wrong with it is told when it is to sign.
    auto key = load_private_key(file.path, [] { return std::optional<Secret>(); }, {.key = options_.limits});
    if (key) file.opened = std::move(key->key);
  }
  identities_.front().ready = file.opened && file.opened->public_key() == identities_.front().key;
}

void ClientKeys::add(ClientIdentity identity, Source source) {
  identities_.push_back(std::move(identity));
  sources_.push_back(std::move(source));
}

bool ClientKeys::has(Bytes blob) const {
  return std::any_of(identities_.begin(), identities_.end(), [&](const ClientIdentity& one) {
    const Bytes own = one.blob();
    return std::equal(own.begin(), own.end(), blob.begin(), blob.end());
  });
}

std::vector<ClientKeys::FileKey> ClientKeys::read_files() {
  std::vector<FileKey> keys;
  for (const std::string& path : options_.files) {
    auto file = std::make_shared<PrivateFile>(PrivateFile{path, std::nullopt, false});
    auto key = public_half(path, file->opened, options_.limits);
    if (key) {
      keys.push_back({std::move(*key), std::move(file)});
    } else if (options_.files_named || exists(path)) {
      const auto any = public_half(path, file->opened, {.min_rsa_bits = kRsaBitsFloor});
      problems_.push_back(path + (any ? ": a key of " + std::to_string(any->bits()) + " bits, and RequiredRSASize is " +
                                            std::to_string(options_.limits.min_rsa_bits)
                                      : ": no key that can be used"));
    }
  }
  return keys;
}

void ClientKeys::read_certificates(const std::vector<FileKey>& files, const std::vector<AgentKey>& held) {
  for (const std::string& path : options_.certificates) add_certificate(path, true, files, held);
  for (const std::string& path : options_.files) {
    if (exists(path + "-cert.pub")) add_certificate(path + "-cert.pub", false, files, held);
  }
}

void ClientKeys::add_certificate(const std::string& path, bool named, const std::vector<FileKey>& files,
                                 const std::vector<AgentKey>& held) {
  const auto text = read_guarded_file(path, 2 * kMaxCertificateBlob, FileGuard::none);
  if (!text) return problems_.push_back(text.error());
  auto certificate = parse_certificate_line(text_of(text->view()), options_.limits);
  if (!certificate) {
    return problems_.push_back(path +
                               ": no certificate that can be used: " + std::string(describe(certificate.error())));
  }
  if (certificate->kind != CertificateKind::user) {
    return problems_.push_back(path + ": a host's certificate lets no user in");
  }
  if (has(certificate->blob)) return;
  Source source;
  for (const FileKey& file : files)
    if (!source.file && file.key == certificate->key) source.file = file.file;
  for (const AgentKey& key : held) {
    if (!(key.key == certificate->key)) continue;
    const Bytes blob = key.blob();
    source.agent_blob.emplace(blob.begin(), blob.end());
    if (!key.certificate) break;
  }
  if (!source.file && !source.agent_blob) {
    if (named) problems_.push_back(path + ": neither a file nor the agent has the private key of this certificate");
    return;
  }
  PublicKey key = certificate->key;
  add({std::move(key), path, std::move(*certificate)}, std::move(source));
}

bool ClientKeys::open(PrivateFile& file, const std::optional<Secret>& passphrase, bool& asked) {
  if (file.opened) return true;
  auto key = load_private_key(file.path,
                              [&]() -> std::optional<Secret> {
                                asked = true;
                                return passphrase ? std::optional<Secret>(Secret(passphrase->view())) : std::nullopt;
                              },
                              {.key = options_.limits});
  if (key) file.opened = std::move(key->key);
  // Another passphrase may open it: no problem yet.
  if (!key && !asked) problems_.push_back(key.error());
  return file.opened.has_value();
}

SigningTry ClientKeys::sign(size_t identity, std::string_view algorithm, Bytes data,
                            const std::optional<Secret>& passphrase) {
  Source& source = sources_.at(identity);
  const ClientIdentity& who = identities_[identity];
  if (source.agent_blob && agent_) {
    if (auto signature = agent_->sign(*source.agent_blob, who.key.type(), algorithm, data))
      return {std::move(*signature), {}};
    problems_.push_back(who.name + ": the agent refused to sign");
    // Asked once: the tries that follow are about the file's passphrase.
    source.agent_blob.reset();
  }
  if (!source.file) return {};
  bool asked = false;
  if (!open(*source.file, passphrase, asked)) return asked ? SigningTry{{}, source.file->path} : SigningTry{};
  // The file may have been replaced since its public half was read, or the .pub beside it be another's.
  if (!(source.file->opened->public_key() == who.key)) {
    problems_.push_back(source.file->path + ": the private key is not the one of the public half");
    return {};
  }
  auto signature = source.file->opened->sign(algorithm, data);
  if (!signature) return {};
  SigningTry done{std::move(*signature)};
  if (options_.agent_loan.wanted && agent_ && !source.file->lent) {
    source.file->lent = true;
    if (options_.agent_loan.ask_first)
      done.may_be_lent = source.file->path;
    else
      lend(identity);
  }
  return done;
}

void ClientKeys::lend(size_t identity) {
  const std::shared_ptr<PrivateFile>& file = sources_.at(identity).file;
  if (!agent_ || !file || !file->opened) return;
  const auto added = agent_->add(*file->opened, file->path, options_.agent_loan.constraints);
  if (!added) problems_.push_back(file->path + ": not added to the agent: " + added.error());
}

}  // namespace sluice
