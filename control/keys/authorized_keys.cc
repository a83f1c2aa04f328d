// Lines of authorized_keys, and the question whether one of them admits a key.
#include "control/keys/authorized_keys.h"

#include "control/keys/guarded_file.h"
#include "control/keys/public_key_text.h"
#include "control/keys/words.h"

namespace sluice {
ResultOrText<std::optional<AuthorizedKey>> parse_authorized_key(std::string_view line, const KeyLimits& limits) {
  if (line.size() > kMaxAuthorizedKeysLine) return fail("line too long");
  if (line.find('\0') != std::string_view::npos) return fail("a NUL in the line");
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = without_leading(line, kBlanks);
  if (line.empty() || line.starts_with('#')) return std::nullopt;

  KeyOptions options;
  if (!find_key_type(line.substr(0, line.find_first_of(kBlanks)))) {
    const size_t end = end_of_options(line);
    if (end == std::string_view::npos) return fail("a quote is not closed");
    auto parsed = parse_key_options(line.substr(0, end));
    if (!parsed) return fail(parsed.error());
    options = std::move(*parsed);
    line = without_leading(line.substr(end), kBlanks);
    if (line.empty()) return fail("options without a key");
  }
  auto key = parse_public_key_line(line, limits);
  if (!key) return fail(std::string(describe(key.error())));
  return AuthorizedKey{0, std::move(options), std::move(key->key), std::move(key->comment)};
}

AuthorizedKeys AuthorizedKeys::parse(std::string_view text, const KeyLimits& limits) {
  AuthorizedKeys file;
  if (text.size() > kMaxAuthorizedKeysFile) {
    file.refused_.push_back({0, "file too long"});
    return file;
  }
  for (size_t number = 1; !text.empty(); ++number) {
    auto key = parse_authorized_key(take_line(text), limits);
    if (file.keys_.size() + file.refused_.size() >= kMaxAuthorizedKeys) {
      file.refused_.push_back({number, "too many lines; the rest is not read"});
      break;
    }
    if (!key) {
      file.refused_.push_back({number, std::move(key.error())});
    } else if (*key) {
      (*key)->line = number;
      file.keys_.push_back(std::move(**key));
    }
  }
  return file;
}

ResultOrText<AuthorizedKeys> AuthorizedKeys::load(const std::string& path, const std::string& home, uid_t owner,
                                                  const KeyLimits& limits) {
  if (auto safe = check_folders(path, home, owner); !safe) return fail(safe.error());
  const auto text = read_guarded_file(path, kMaxAuthorizedKeysFile, FileGuard::trusted, owner);
  if (!text) return fail(text.error());
  return parse(text_of(text->view()), limits);
}

Admission AuthorizedKeys::admit(const PublicKey& key, int64_t now, std::string_view host,
                                std::string_view address) const {
  Admission admission;
  for (const AuthorizedKey& listed : keys_) {
    if (!(listed.key == key)) continue;
    const std::string at = "line " + std::to_string(listed.line) + ": ";
    if (listed.options.cert_authority)
      admission.reason = at + "an authority for certificates, not a key to log in with";
    else if (listed.options.expires_at && now >= *listed.options.expires_at)
      admission.reason = at + "expired";
    else if (listed.options.from && !listed.options.from->admits(host, address))
      admission.reason = at + "not from this address";
    else
      return {&listed, {}};
  }
  return admission;
}

}  // namespace sluice
