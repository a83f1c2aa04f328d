// Looking in all files, and what each verdict means under each strictness.
#include "control/client/host_key_policy.h"

#include <algorithm>
#include <ctime>

#include "control/keys/fingerprint.h"
#include "control/keys/guarded_file.h"
#include "control/keys/name_patterns.h"
#include "control/keys/revoked_keys.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

void drop_no_files(std::vector<std::string>& files) {
  std::erase_if(files, [](const std::string& file) { return file.empty() || file == "none" || file == "/dev/null"; });
}

std::string family(const PublicKey& key) { return std::string(row_of(key.type()).family); }

// revoked > found > changed > unknown: whatever file says it.
int weight(HostVerdict verdict) {
  switch (verdict) {
    case HostVerdict::revoked: return 3;
    case HostVerdict::found: return 2;
    case HostVerdict::changed: return 1;
    case HostVerdict::unknown: break;
  }
  return 0;
}

std::string place_of(const std::string& file, size_t line) { return file + ":" + std::to_string(line); }

std::string loud(std::string_view warning) {
  const std::string bar(warning.size() + 4, '@');
  std::string text = bar;
  return text.append("\n@ ").append(warning).append(" @\n").append(bar).append("\n");
}

}  // namespace

HostKeyPolicy::HostKeyPolicy(HostKeyPolicyConfig config) : config_(std::move(config)) {
  drop_no_files(config_.user_files);
  drop_no_files(config_.global_files);
}

HostKeyPolicy::Known HostKeyPolicy::known(std::string_view reason, const PublicKey* key) const {
  Known all;
  const auto miss = [&](std::string why) {
    if (all.error.empty()) all.error = std::move(why);
  };
  for (const auto* files : {&config_.user_files, &config_.global_files}) {
    for (const std::string& file : *files) {
      auto hosts = KnownHosts::load(file);
      if (KnownHosts::everybody_may_write(file))
        all.warning.append("Warning: everybody may write " + file + ", and so say whom you trust: chmod go-w " + file +
                           "\n");
      if (hosts) {
        all.sources.push_back({std::move(*hosts), file, files == &config_.user_files});
      } else {
        miss(hosts.error());
      }
    }
  }
  if (config_.program) {
    auto said = config_.program({reason, known_host_name(config_.host, config_.port), key});
    if (said) {
      all.sources.push_back({KnownHosts::parse(*said), "KnownHostsCommand", false});
    } else {
      miss("KnownHostsCommand: " + said.error());
    }
  }
  return all;
}

template <class Shown>
HostKeyPolicy::Found HostKeyPolicy::look_up(const std::vector<Source>& sources, const Shown& shown) const {
  Found best;
  for (const Source& source : sources) {
    const HostAnswer answer = source.hosts.lookup(config_.host, config_.port, shown);
    if (weight(answer.verdict) > weight(best.answer.verdict)) best = {answer, source.name, source.users};
  }
  if (best.answer.verdict != HostVerdict::unknown || config_.port == kSshPort) return best;
  // A host has one key as a rule, whatever port it is reached at: known at the usual one is known.
  for (const Source& source : sources) {
    const HostAnswer answer = source.hosts.lookup(config_.host, kSshPort, shown);
    if (answer.verdict == HostVerdict::revoked) return {answer, source.name, source.users};
    if (answer.verdict == HostVerdict::found) best = {answer, source.name, false};
  }
  return best;
}

HostKeyDecision HostKeyPolicy::decide(const PublicKey& key) const {
  if (const auto refused = look_for_revocation(key, "The " + family(key) + " key of " + config_.host)) return *refused;
  const Known all = known("HOSTNAME", &key);
  if (!all.error.empty() && config_.strict != StrictHostKeys::no) {
    return {.text = all.error + "\nHost key verification failed.\n"};
  }
  return decide(all, key);
}

HostKeyDecision HostKeyPolicy::decide(const Known& known, const PublicKey& key) const {
  HostKeyDecision decision = decide(known.sources, key);
  decision.text.insert(0, known.warning);
  // Who is in the middle may have stopped the one that knows: nothing is learnt from that.
  if (!known.error.empty()) decision.remember = false;
  return decision;
}

HostKeyDecision HostKeyPolicy::decide(const std::vector<Source>& sources, const PublicKey& key) const {
  const Found found = look_up(sources, key);
  switch (found.answer.verdict) {
    case HostVerdict::found: return {.kind = HostKeyDecision::Kind::accept, .trusted = found.in_user_file};
    case HostVerdict::revoked:
      return refuse_revoked("The " + family(key) + " key of " + config_.host, place_of(found.file, found.answer.line));
    case HostVerdict::changed: return judge_changed(key, found);
    case HostVerdict::unknown: break;
  }
  return judge_unknown(key);
}

HostKeyDecision HostKeyPolicy::refuse_revoked(const std::string& what, const std::string& where) const {
  std::string text = loud("WARNING: REVOKED HOST KEY DETECTED!");
  text.append(what + " is marked as revoked in " + where + ".\nHost key verification failed.\n");
  return {.failure = FailureKind::host_key_revoked, .text = std::move(text)};
}

template <class Shown>
std::optional<HostKeyDecision> HostKeyPolicy::look_for_revocation(const Shown& shown, const std::string& what) const {
  if (config_.revoked_file.empty()) return std::nullopt;
  const auto file = read_guarded_file(config_.revoked_file, kMaxRevocationFile, FileGuard::none);
  const auto revoked = file ? is_revoked(file->view(), shown) : ResultOrText<bool>(fail(file.error()));
  // A list that cannot be read revokes everything: whoever named it wants to be safe.
  if (!revoked) {
    return HostKeyDecision{.text = "RevokedHostKeys " + config_.revoked_file + ": " + revoked.error() +
                                   "\nHost key verification failed.\n"};
  }
  if (!*revoked) return std::nullopt;
  return refuse_revoked(what, config_.revoked_file);
}

HostKeyDecision HostKeyPolicy::decide(const Certificate& certificate) const {
  const std::string what =
      "The " + family(certificate.key) + " key of " + config_.host + ", its certificate or the authority of that";
  if (const auto refused = look_for_revocation(certificate, what)) return *refused;
  const Known all = known("HOSTNAME", &certificate.key);
  if (!all.error.empty() && config_.strict != StrictHostKeys::no) {
    return {.text = all.error + "\nHost key verification failed.\n"};
  }
  const Found found = look_up(all.sources, certificate);
  if (found.answer.verdict == HostVerdict::revoked) {
    return refuse_revoked(what, place_of(found.file, found.answer.line));
  }
  const bool authorized = found.answer.verdict == HostVerdict::found;
  const std::string objection =
      authorized ? objection_to_host(certificate, config_.host, std::time(nullptr), config_.authority_algorithms)
                 : "no @cert-authority line for this host names its authority";
  if (objection.empty()) return {.kind = HostKeyDecision::Kind::accept, .text = all.warning};
  HostKeyDecision plain = decide(all, certificate.key);
  // Whose plain key is known has nothing to explain, but for a certificate that should have been good.
  if (authorized || plain.kind != HostKeyDecision::Kind::accept) {
    plain.text.insert(0, "The certificate that " + config_.host + " shows does not count: " + objection + ".\nIt is " +
                             describe_certificate(certificate) + "; its plain key is looked at instead.\n");
  }
  return plain;
}

HostKeyDecision HostKeyPolicy::judge_changed(const PublicKey& key, const Found& found) const {
  std::string text = loud("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!");
  text.append("Somebody may be in the middle of this connection and read all of it, or the host got a new key.\nThe " +
              family(key) + " key that " + config_.host + " shows is\n" + sha256_fingerprint(key) +
              "\nand another one is known from " + found.file + ":" + std::to_string(found.answer.line) + ".\n");
  if (config_.strict == StrictHostKeys::no) {
    text.append("Passwords and answers to prompts are not sent to it.\n");
    return {.kind = HostKeyDecision::Kind::accept, .unsafe = true, .text = std::move(text)};
  }
  text.append(
      "Ask who runs the host for its fingerprint; remove that line only when it is right.\n"
      "Host key verification failed.\n");
  return {.failure = FailureKind::host_key_changed, .text = std::move(text)};
}

HostKeyDecision HostKeyPolicy::judge_unknown(const PublicKey& key) const {
  switch (config_.strict) {
    case StrictHostKeys::yes:
      return {.text = "No " + family(key) + " host key is known for " + config_.host +
                      " and strict checking was asked for.\nHost key verification failed.\n"};
    case StrictHostKeys::accept_new:
    case StrictHostKeys::no: return {.kind = HostKeyDecision::Kind::accept, .remember = true};
    case StrictHostKeys::ask: break;
  }
  return {.kind = HostKeyDecision::Kind::ask,
          .text = "The authenticity of host '" + known_host_name(config_.host, config_.port) +
                  "' can't be established.\n" + family(key) + " key fingerprint is " + sha256_fingerprint(key) +
                  ".\nAre you sure you want to continue connecting (yes/no/[fingerprint])? "};
}

HostKeyWord HostKeyPolicy::read_word(std::string_view typed, const PublicKey& key) {
  const std::string word(trimmed(typed, " \t\r\n"));
  const std::string lower = to_lower(word);
  if (lower == "yes" || (!word.empty() && word == sha256_fingerprint(key))) return HostKeyWord::yes;
  // An empty line is no consent.
  return lower == "no" || word.empty() ? HostKeyWord::no : HostKeyWord::again;
}

ResultOrText<std::string> HostKeyPolicy::remember(const PublicKey& key) const {
  if (config_.user_files.empty()) return std::string();
  const std::string& file = config_.user_files.front();
  auto hosts = KnownHosts::load(file);
  if (!hosts) return fail(hosts.error());
  if (auto added = hosts->add(config_.host, config_.port, key, config_.naming); !added) return fail(added.error());
  if (auto saved = hosts->save(file); !saved) return fail(saved.error());
  return "Warning: Permanently added '" + known_host_name(config_.host, config_.port) + "' (" + family(key) +
         ") to the list of known hosts.\n";
}

NameList HostKeyPolicy::preferred(const NameList& algorithms) const {
  std::vector<PublicKey> known;
  bool authority = false;
  // Where something cannot be read, decide() will say so.
  for (const Source& source : this->known("ORDER", nullptr).sources) {
    for (PublicKey& key : source.hosts.keys_of(config_.host, config_.port)) known.push_back(std::move(key));
    authority = authority || source.hosts.has_authority(config_.host, config_.port) ||
                source.hosts.has_authority(config_.host, kSshPort);
  }
  const auto rank = [&](const std::string& name) {
    if (find_certificate_algorithm(name)) return authority ? 0 : 3;
    const SignatureAlgorithm* row = find_signature_algorithm(name);
    const bool is_known = row != nullptr && std::any_of(known.begin(), known.end(), [&](const PublicKey& key) {
                            return key.type() == row->key_type;
                          });
    return is_known ? 1 : 2;
  };
  NameList sorted = algorithms;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  return sorted;
}

std::vector<PublicKey> HostKeyPolicy::known() const {
  std::vector<PublicKey> keys;
  for (const std::string& file : config_.user_files) {
    const auto hosts = KnownHosts::load(file);
    if (!hosts) continue;
    for (PublicKey& key : hosts->keys_of(config_.host, config_.port)) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
    }
  }
  return keys;
}

ResultOrText<HostKeyUpdate> HostKeyPolicy::replace(std::span<const PublicKey> keys) const {
  HostKeyUpdate all;
  for (const std::string& file : config_.user_files) {
    auto hosts = KnownHosts::load(file);
    if (!hosts) return fail(hosts.error());
    if (hosts->keys_of(config_.host, config_.port).empty()) continue;
    const auto update = hosts->replace(config_.host, config_.port, keys, config_.naming);
    if (!update) return fail(update.error());
    if (update->added + update->removed > 0) {
      if (auto saved = hosts->save(file); !saved) return fail(saved.error());
    }
    all.added += update->added;
    all.removed += update->removed;
    all.kept_for_pattern += update->kept_for_pattern;
  }
  return all;
}

}  // namespace sluice
