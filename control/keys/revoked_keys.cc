// PROTOCOL.krl, section by section, as a search.
#include "control/keys/revoked_keys.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/wire.h"
#include "control/keys/base64.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic("SSHKRL\n\0", 8);
constexpr uint32_t kFormat = 1;

enum Section : uint8_t { certificates = 1, explicit_keys = 2, sha1_hashes = 3, signature = 4, sha256_hashes = 5 };
enum CertificateSection : uint8_t { serial_list = 0x20, serial_range = 0x21, serial_bitmap = 0x22, key_ids = 0x23 };
constexpr uint8_t kExtension = 255;
constexpr uint8_t kCertificateExtension = 0x39;

// A plain key, and what its certificate says, where it came with one.
struct Shown {
  Bytes key;
  const Certificate* certificate = nullptr;
};

bool same(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

// Whether one of the strings of a section is it.
bool lists(WireReader& section, Bytes wanted) {
  bool found = false;
  while (section.ok() && !section.at_end()) found = same(section.string(), wanted) || found;
  return found;
}

// An extension that must be understood is not.
bool skip_extension(WireReader& section) {
  section.string();
  const bool critical = section.boolean();
  section.string();
  return section.ok() && !critical;
}

bool in_bitmap(WireReader& section, uint64_t serial) {
  const uint64_t offset = section.u64();
  const Bytes bits = section.mpint();
  if (serial < offset) return false;
  const uint64_t bit = serial - offset;
  if (bit / 8 >= bits.size()) return false;
  return (bits[bits.size() - 1 - static_cast<size_t>(bit / 8)] >> (bit % 8) & 1) != 0;
}

class List {
 public:
  explicit List(Bytes file) : rest_(file) {}

  bool is_list() const { return rest_.rest().size() >= kMagic.size() && text_of(rest_.rest().first(8)) == kMagic; }

  ResultOrText<bool> revokes(const Shown& shown) {
    rest_.raw(kMagic.size());
    if (rest_.u32() != kFormat) return fail("a revocation list of another format than 1");
    for (int i = 0; i < 3; ++i) rest_.u64();  // its version, its date, flags
    rest_.string();
    rest_.string();  // reserved, and a comment
    SHA1(shown.key.data(), shown.key.size(), sha1_.data());
    SHA256(shown.key.data(), shown.key.size(), sha256_.data());
    bool found = false;
    while (rest_.ok() && !rest_.at_end()) {
      const uint8_t type = rest_.u8();
      const Bytes bytes = rest_.string();
      WireReader section(bytes);
      if (!take(type, section, shown, found) || !section.ok()) return fail("a damaged revocation list, or a newer one");
    }
    if (!rest_.ok()) return fail("a revocation list that is cut off");
    return found;
  }

 private:
  // False: it is not understood.
  bool take(uint8_t type, WireReader& section, const Shown& shown, bool& found) const {
    switch (type) {
      case certificates: return take_certificates(section, shown.certificate, found);
      case explicit_keys: found = lists(section, shown.key) || found; return true;
      case sha1_hashes: found = lists(section, sha1_) || found; return true;
      case sha256_hashes: found = lists(section, sha256_) || found; return true;
      // Who may write the file decides already; OpenSSH has stopped looking at these, too.
      case signature: return true;
      case kExtension: return skip_extension(section);
      default: return false;
    }
  }

  // Of one authority, or where it names none, of all.
  static bool take_certificates(WireReader& section, const Certificate* certificate, bool& found) {
    const Bytes authority = section.string();
    section.string();  // reserved
    const bool ours = certificate != nullptr && (authority.empty() || same(authority, certificate->authority.blob()));
    while (section.ok() && !section.at_end()) {
      const uint8_t type = section.u8();
      WireReader part(section.string());
      bool here = false;
      // An authority that numbers nothing gives all its certificates the number 0.
      const uint64_t serial = ours ? certificate->serial : 0;
      switch (type) {
        case serial_list:
          while (part.ok() && !part.at_end()) here = part.u64() == serial || here;
          here = here && serial != 0;
          break;
        case serial_range: {
          const uint64_t first = part.u64(), last = part.u64();
          here = serial != 0 && first <= serial && serial <= last;
          break;
        }
        case serial_bitmap: here = serial != 0 && in_bitmap(part, serial); break;
        case key_ids: here = lists(part, ours ? bytes_of(certificate->id) : Bytes()); break;
        case kCertificateExtension:
          if (!skip_extension(part)) return false;
          break;
        default: return false;
      }
      if (!part.ok()) return false;
      found = found || (here && ours);
    }
    return section.ok();
  }

  WireReader rest_;
  std::array<uint8_t, 20> sha1_{};
  std::array<uint8_t, 32> sha256_{};
};

// A key or a certificate a line, whose plain key it is about. Of any size: weak ones are revoked for that.
bool line_names(std::string_view line, const Shown& shown) {
  line = trimmed(line, " \t\r");
  const size_t blank = line.find_first_of(" \t");
  if (line.starts_with('#') || blank == std::string_view::npos) return false;
  std::string_view text = trimmed(line.substr(blank), " \t");
  text = text.substr(0, text.find_first_of(" \t"));
  const auto blob = base64_decode(text);
  if (!blob) return false;
  if (!is_certificate(*blob)) return same(*blob, shown.key);
  const auto parsed = Certificate::parse(*blob, {.min_rsa_bits = kRsaBitsFloor});
  return parsed && same(parsed->key.blob(), shown.key);
}

ResultOrText<bool> revokes(Bytes file, const Shown& shown) {
  List list(file);
  if (list.is_list()) return list.revokes(shown);
  std::string_view text = text_of(file);
  if (text.find('\0') != std::string_view::npos) return fail("neither keys, one a line, nor a revocation list");
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (line_names(text.substr(0, end), shown)) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

}  // namespace

ResultOrText<bool> is_revoked(Bytes file, const PublicKey& key) { return revokes(file, {key.blob()}); }

ResultOrText<bool> is_revoked(Bytes file, const Certificate& certificate) {
  const auto itself = revokes(file, {certificate.key.blob(), &certificate});
  if (!itself || *itself) return itself;
  return revokes(file, {certificate.authority.blob()});
}

}  // namespace sluice
