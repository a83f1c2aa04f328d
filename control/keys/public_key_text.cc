// Reading and writing of public keys as text.
#include "control/keys/public_key_text.h"

#include "control/keys/base64.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::string_view kBegin = "---- BEGIN SSH2 PUBLIC KEY ----";
constexpr std::string_view kEnd = "---- END SSH2 PUBLIC KEY ----";
// RFC 4716 section 3.3.
constexpr size_t kMaxHeaderTag = 64;
constexpr size_t kMaxHeaderValue = 1024;

std::string without_white(std::string_view text) {
  std::string dense;
  for (const char c : text)
    if (kWhite.find(c) == std::string_view::npos) dense += c;
  return dense;
}

KeyResult<PublicKey> key_from_base64(std::string_view text, const KeyLimits& limits) {
  const auto blob = base64_decode(text);
  if (!blob) return fail(KeyError::malformed);
  return PublicKey::parse(*blob, limits);
}

bool same_but_for_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if ((a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i]) != lower[i]) return false;
  return true;
}

// The value of a header whose first line is given; lines that end in a backslash go on in the next one.
KeyResult<std::string> header_value(std::string_view first, std::string_view& rest) {
  std::string value(trimmed(first, kBlanks));
  while (!value.empty() && value.back() == '\\') {
    value.pop_back();
    if (rest.empty() || value.size() > kMaxHeaderValue) return fail(KeyError::malformed);
    value += take_line(rest);
  }
  if (value.size() > kMaxHeaderValue) return fail(KeyError::malformed);
  return value;
}

}  // namespace

std::string to_text(const PublicKey& key, std::string_view comment) {
  std::string line = std::string(key.type_name()) + " " + base64_encode(key.blob());
  if (!comment.empty()) line.append(" ").append(printable(comment));
  return line;
}

KeyResult<NamedPublicKey> parse_public_key_line(std::string_view line, const KeyLimits& limits) {
  if (line.size() > kMaxPublicKeyText) return fail(KeyError::key_too_long);
  std::string_view rest = trimmed(line, kWhite);
  const KeyTypeRow* row = find_key_type(take_word(rest));
  if (!row) return fail(KeyError::unknown_type);
  const auto key = key_from_base64(take_word(rest), limits);
  if (!key) return fail(key.error());
  // Options and policies go by the name in front; it may not say one thing and the key another.
  if (key->type() != row->type) return fail(KeyError::malformed);
  return NamedPublicKey{*key, std::string(rest)};
}

KeyResult<NamedPublicKey> parse_rfc4716(std::string_view text, const KeyLimits& limits) {
  if (text.size() > kMaxPublicKeyText) return fail(KeyError::key_too_long);
  if (take_line(text) != kBegin) return fail(KeyError::malformed);
  std::string comment;
  std::string body;
  bool in_body = false;
  for (;;) {
    if (text.empty()) return fail(KeyError::malformed);
    const std::string_view line = take_line(text);
    if (line == kEnd) break;
    // Section 3.3: a header has a colon, which base64 has not.
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      in_body = true;
      body += trimmed(line, kWhite);
      continue;
    }
    if (in_body || colon == 0 || colon > kMaxHeaderTag) return fail(KeyError::malformed);
    auto value = header_value(line.substr(colon + 1), text);
    if (!value) return fail(value.error());
    if (!same_but_for_case(line.substr(0, colon), "comment")) continue;
    comment = std::move(*value);
    if (comment.size() >= 2 && comment.front() == '"' && comment.back() == '"')
      comment = comment.substr(1, comment.size() - 2);
  }
  const auto key = key_from_base64(body, limits);
  if (!key) return fail(key.error());
  return NamedPublicKey{*key, std::move(comment)};
}

KeyResult<NamedPublicKey> read_public_key(Bytes file, const KeyLimits& limits) {
  if (file.size() > kMaxPublicKeyText) return fail(KeyError::key_too_long);
  // A blob begins with the length of its type's name: three zero octets, which no text has.
  if (!file.empty() && file[0] == 0) {
    const auto key = PublicKey::parse(file, limits);
    if (!key) return fail(key.error());
    return NamedPublicKey{*key, {}};
  }
  const std::string_view text = trimmed(text_of(file), kWhite);
  if (text.starts_with(kBegin)) return parse_rfc4716(text, limits);
  const std::string_view first = text.substr(0, text.find_first_of(kWhite));
  if (!find_key_type(first)) {
    const auto key = key_from_base64(without_white(text), limits);
    if (!key) return fail(key.error());
    return NamedPublicKey{*key, {}};
  }
  if (text.find('\n') == std::string_view::npos) return parse_public_key_line(text, limits);
  // Wrapped by a paste: the key is what lies between the type and its end, so no comment can be told from it.
  if (auto whole = parse_public_key_line(text.substr(0, text.find('\n')), limits)) return whole;
  return parse_public_key_line(std::string(first) + " " + without_white(text.substr(first.size())), limits);
}

}  // namespace sluice
