// known_hosts: which keys a host has shown before. Lines that are not understood stay in the file and never match.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/keys/public_key.h"

namespace sluice {

inline constexpr size_t kMaxKnownHostsFile = 16 << 20;
inline constexpr size_t kMaxKnownHostsLine = 64 * 1024;
inline constexpr uint16_t kSshPort = 22;

enum class HostVerdict : uint8_t {
  unknown,  // no key of this host is known
  found,
  changed,  // other keys of this host are known, of whatever type: a new type is what an attacker would show
  revoked,
};

struct HostAnswer {
  HostVerdict verdict = HostVerdict::unknown;
  size_t line = 0;  // of the key found, revoked, or known instead; counted from 1
};

enum class HostNaming : uint8_t { plain, hashed };
enum class HostMarker : uint8_t { none, cert_authority, revoked };

struct HostKeyUpdate {
  size_t added = 0;
  size_t removed = 0;
  size_t kept_for_pattern = 0;  // stale, but their line is for more hosts than this one
};

// "host", or "[host]:port" where the port is not 22; in lower case.
std::string known_host_name(std::string_view host, uint16_t port);
// "|1|salt|hash" of such a name, with a new salt.
std::string hash_host_name(std::string_view name);
bool matches_hashed_name(std::string_view hashed, std::string_view name);

struct Certificate;

class KnownHosts {
 public:
  static KnownHosts parse(std::string_view text);
  // An absent file is an empty one. Whoever may write it is used, as by everybody else's client: a file that a group
  // keeps together is no rarity, and to refuse it would teach people to do without.
  static ResultOrText<KnownHosts> load(const std::string& path);
  // What deserves a word, since then any account of the machine says whom the user trusts.
  static bool everybody_may_write(const std::string& path);
  ResultOrText<void> save(const std::string& path) const;
  std::string text() const;

  HostAnswer lookup(std::string_view host, uint16_t port, const PublicKey& key) const;
  // Found: an authority that may speak for the host signed it. Revoked: the key or its authority. Else unknown.
  HostAnswer lookup(std::string_view host, uint16_t port, const Certificate& certificate) const;
  bool has_authority(std::string_view host, uint16_t port) const;
  // To ask a known host first for the algorithms of the keys that we can check.
  std::vector<PublicKey> keys_of(std::string_view host, uint16_t port) const;
  // Numbers of the lines that were not understood.
  std::vector<size_t> refused() const;

  ResultOrText<void> add(std::string_view host, uint16_t port, const PublicKey& key, HostNaming naming,
                         std::string_view comment = {});
  // The host's plain keys become exactly these, as after a proven hostkeys-00@openssh.com.
  ResultOrText<HostKeyUpdate> replace(std::string_view host, uint16_t port, std::span<const PublicKey> keys,
                                      HostNaming naming);
  // Takes the host out of every line that names it, revocations and authorities excepted. Number of lines touched.
  size_t remove(std::string_view host, uint16_t port);

 private:
  struct Entry {
    HostMarker marker;
    std::string names;
    PublicKey key;
    std::string tail;  // type, key and comment as they were written
  };
  struct Line {
    std::string raw;
    std::optional<Entry> entry;
    bool refused = false;
  };
  enum class Forgotten : uint8_t { line, name, nothing };

  static Line parse_line(std::string_view raw);
  Forgotten forget(size_t index, std::string_view name);

  std::vector<Line> lines_;
};

}  // namespace sluice
