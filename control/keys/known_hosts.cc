// Lines of known_hosts, look-ups in them and edits that leave everything else as it was.
#include "control/keys/known_hosts.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/random.h"
#include "control/keys/base64.h"
#include "control/keys/certificate.h"
#include "control/keys/guarded_file.h"
#include "control/keys/name_patterns.h"
#include "control/keys/public_key_text.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::string_view kHashMagic = "|1|";
constexpr size_t kSha1Bytes = 20;
constexpr size_t kMaxHostName = 255;

// A key that was learnt when shorter ones were allowed is still the one to compare with.
constexpr KeyLimits kRememberedKeys{.min_rsa_bits = kRsaBitsFloor, .max_rsa_bits = kRsaBitsCeiling};

std::string hash_with(Bytes salt, std::string_view name) {
  uint8_t hash[kSha1Bytes];
  unsigned size = 0;
  HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()), bytes_of(name).data(), name.size(), hash, &size);
  std::string text(kHashMagic);
  return text.append(base64_encode(salt)).append("|").append(base64_encode(hash));
}

bool names_host(std::string_view names, std::string_view name) {
  if (names.starts_with(kHashMagic)) return matches_hashed_name(names, name);
  return match_pattern_list(name, to_lower(names)) == PatternVerdict::match;
}

// What may be written as a name: nothing that the file's own syntax would read as something else.
bool sound_host(std::string_view host) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_:%";
  return !host.empty() && host.size() <= kMaxHostName &&
         to_lower(host).find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string joined(HostMarker marker, std::string_view names, std::string_view tail) {
  std::string raw = marker == HostMarker::revoked          ? "@revoked "
                    : marker == HostMarker::cert_authority ? "@cert-authority "
                                                           : "";
  return raw.append(names).append(" ").append(tail);
}

}  // namespace

std::string known_host_name(std::string_view host, uint16_t port) {
  std::string name = to_lower(host);
  if (port != kSshPort) name.insert(0, 1, '[').append("]:").append(std::to_string(port));
  return name;
}

std::string hash_host_name(std::string_view name) {
  uint8_t salt[kSha1Bytes];
  fill_random(salt);
  return hash_with(salt, name);
}

bool matches_hashed_name(std::string_view hashed, std::string_view name) {
  if (!hashed.starts_with(kHashMagic)) return false;
  const std::string_view rest = hashed.substr(kHashMagic.size());
  const auto salt = base64_decode(rest.substr(0, rest.find('|')));
  return salt && salt->size() == kSha1Bytes && hash_with(*salt, name) == hashed;
}

KnownHosts::Line KnownHosts::parse_line(std::string_view raw) {
  Line line{std::string(raw), std::nullopt, false};
  std::string_view rest = raw;
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  std::string_view names = take_word(rest);
  if (names.empty() || names.starts_with('#')) return line;
  line.refused = true;
  if (raw.size() > kMaxKnownHostsLine) return line;
  HostMarker marker = HostMarker::none;
  if (names.starts_with('@')) {
    if (names == "@revoked")
      marker = HostMarker::revoked;
    else if (names == "@cert-authority")
      marker = HostMarker::cert_authority;
    else
      return line;
    names = take_word(rest);
  }
  auto key = parse_public_key_line(rest, kRememberedKeys);
  if (!key) return line;
  line.entry = Entry{marker, std::string(names), std::move(key->key), std::string(rest)};
  line.refused = false;
  return line;
}

KnownHosts KnownHosts::parse(std::string_view text) {
  KnownHosts hosts;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    hosts.lines_.push_back(parse_line(text.substr(0, end)));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return hosts;
}

ResultOrText<KnownHosts> KnownHosts::load(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 && errno == ENOENT) return KnownHosts();
  const auto text = read_guarded_file(path, kMaxKnownHostsFile, FileGuard::none);
  if (!text) return fail(text.error());
  return parse(text_of(text->view()));
}

bool KnownHosts::everybody_may_write(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0;
}

ResultOrText<void> KnownHosts::save(const std::string& path) const {
  // Through a link to what it points at, with the mode that it has: people keep this file under version control.
  std::error_code unresolved;
  const std::string target = std::filesystem::canonical(path, unresolved).string();
  struct stat status;
  const bool there = !unresolved && ::stat(target.c_str(), &status) == 0;
  return write_file_atomically(there ? target : path, bytes_of(text()), there ? status.st_mode & 0777 : 0600);
}

std::string KnownHosts::text() const {
  std::string text;
  for (const Line& line : lines_) text.append(line.raw).append("\n");
  return text;
}

HostAnswer KnownHosts::lookup(std::string_view host, uint16_t port, const PublicKey& key) const {
  const std::string name = known_host_name(host, port);
  HostAnswer answer;
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (!lines_[i].entry) continue;
    const Entry& entry = *lines_[i].entry;
    if (entry.marker == HostMarker::cert_authority || !names_host(entry.names, name)) continue;
    const bool same = entry.key == key;
    if (entry.marker == HostMarker::revoked) {
      if (same) return {HostVerdict::revoked, i + 1};
    } else if (same && answer.verdict != HostVerdict::found) {
      answer = {HostVerdict::found, i + 1};
    } else if (answer.verdict == HostVerdict::unknown) {
      answer = {HostVerdict::changed, i + 1};
    }
  }
  return answer;
}

HostAnswer KnownHosts::lookup(std::string_view host, uint16_t port, const Certificate& certificate) const {
  const std::string name = known_host_name(host, port);
  HostAnswer answer;
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (!lines_[i].entry) continue;
    const Entry& entry = *lines_[i].entry;
    const bool signer = entry.key == certificate.authority;
    if (!names_host(entry.names, name)) continue;
    if (entry.marker == HostMarker::revoked && (signer || entry.key == certificate.key)) {
      return {HostVerdict::revoked, i + 1};
    }
    if (entry.marker == HostMarker::cert_authority && signer && answer.verdict == HostVerdict::unknown) {
      answer = {HostVerdict::found, i + 1};
    }
  }
  return answer;
}

bool KnownHosts::has_authority(std::string_view host, uint16_t port) const {
  const std::string name = known_host_name(host, port);
  return std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
    return line.entry && line.entry->marker == HostMarker::cert_authority && names_host(line.entry->names, name);
  });
}

std::vector<PublicKey> KnownHosts::keys_of(std::string_view host, uint16_t port) const {
  const std::string name = known_host_name(host, port);
  std::vector<PublicKey> keys;
  for (const Line& line : lines_)
    if (line.entry && line.entry->marker == HostMarker::none && names_host(line.entry->names, name))
      keys.push_back(line.entry->key);
  return keys;
}

std::vector<size_t> KnownHosts::refused() const {
  std::vector<size_t> numbers;
  for (size_t i = 0; i < lines_.size(); ++i)
    if (lines_[i].refused) numbers.push_back(i + 1);
  return numbers;
}

ResultOrText<void> KnownHosts::add(std::string_view host, uint16_t port, const PublicKey& key, HostNaming naming,
                                   std::string_view comment) {
  if (!sound_host(host)) return fail("not a host name that known_hosts can hold");
  if (comment.find_first_of("\r\n") != std::string_view::npos) return fail("a comment is one line");
  const std::string name = known_host_name(host, port);
  lines_.push_back(parse_line(
      joined(HostMarker::none, naming == HostNaming::hashed ? hash_host_name(name) : name, to_text(key, comment))));
  return {};
}

KnownHosts::Forgotten KnownHosts::forget(size_t index, std::string_view name) {
  Entry& entry = *lines_[index].entry;
  if (entry.names.starts_with(kHashMagic) || to_lower(entry.names) == name) {
    lines_.erase(lines_.begin() + static_cast<ptrdiff_t>(index));
    return Forgotten::line;
  }
  std::string others;
  bool listed = false;
  for_each_part(entry.names, [&](std::string_view part) {
    if (to_lower(part) == name) {
      listed = true;
      return;
    }
    others.append(others.empty() ? "" : ",").append(part);
  });
  // Still matched by what is left, a pattern: the line speaks for other hosts too and stays.
  if (!listed || names_host(others, name)) return Forgotten::nothing;
  entry.names = others;
  lines_[index].raw = joined(entry.marker, entry.names, entry.tail);
  return Forgotten::name;
}

ResultOrText<HostKeyUpdate> KnownHosts::replace(std::string_view host, uint16_t port, std::span<const PublicKey> keys,
                                                HostNaming naming) {
  // No key at all would make the host unknown, which is what a thief of its name would like.
  if (keys.empty()) return fail("no keys to replace the known ones with");
  if (!sound_host(host)) return fail("not a host name that known_hosts can hold");
  const std::string name = known_host_name(host, port);
  HostKeyUpdate update;
  std::vector<const PublicKey*> missing;
  for (const PublicKey& key : keys) {
    const HostVerdict verdict = lookup(host, port, key).verdict;
    const bool again = std::any_of(missing.begin(), missing.end(), [&](const PublicKey* k) { return *k == key; });
    if (verdict != HostVerdict::found && verdict != HostVerdict::revoked && !again) missing.push_back(&key);
  }
  for (size_t i = lines_.size(); i-- > 0;) {
    if (!lines_[i].entry || lines_[i].entry->marker != HostMarker::none) continue;
    if (!names_host(lines_[i].entry->names, name)) continue;
    if (std::find(keys.begin(), keys.end(), lines_[i].entry->key) != keys.end()) continue;
    if (forget(i, name) == Forgotten::nothing)
      ++update.kept_for_pattern;
    else
      ++update.removed;
  }
  for (const PublicKey* key : missing) {
    if (auto added = add(host, port, *key, naming); !added) return fail(added.error());
    ++update.added;
  }
  return update;
}

size_t KnownHosts::remove(std::string_view host, uint16_t port) {
  const std::string name = known_host_name(host, port);
  size_t touched = 0;
  for (size_t i = lines_.size(); i-- > 0;) {
    if (!lines_[i].entry || lines_[i].entry->marker != HostMarker::none) continue;
    if (names_host(lines_[i].entry->names, name) && forget(i, name) != Forgotten::nothing) ++touched;
  }
  return touched;
}

}  // namespace sluice
