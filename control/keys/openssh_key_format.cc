// openssh-key-v1: a clear public key in front of a private section that is padded, checked by a doubled random number
// and perhaps encrypted.
#include "control/keys/openssh_key_format.h"

#include <algorithm>

#include "base/random.h"
#include "base/wire.h"
#include "control/keys/base64.h"
#include "control/keys/bcrypt_pbkdf.h"
#include "control/keys/key_cipher.h"
#include "control/keys/secret_writer.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----";
// The NUL at its end is part of it.
constexpr std::string_view kMagic("openssh-key-v1", 15);
constexpr size_t kLineLength = 70;
constexpr size_t kSaltBytes = 16;
constexpr size_t kMaxComment = 1024;

struct Container {
  const KeyCipher* cipher = nullptr;
  std::string_view derivation;
  Bytes salt;
  uint32_t rounds = 0;
  Bytes public_blob;
  Bytes sealed;
  Bytes tag;
};

KeyResult<Secret> unwrap(std::string_view text) {
  if (!text.starts_with(kOpensshBegin)) return fail(KeyError::malformed);
  text.remove_prefix(kOpensshBegin.size());
  const size_t end = text.find(kEnd);
  if (end == std::string_view::npos) return fail(KeyError::malformed);
  if (text.substr(end + kEnd.size()).find_first_not_of(kWhite) != std::string_view::npos)
    return fail(KeyError::trailing_bytes);
  SecretWriter dense(end);
  for (const char c : text.substr(0, end))
    if (c != '\n' && c != '\r') dense.u8(static_cast<uint8_t>(c));
  const Secret characters = dense.take();
  auto bytes = base64_decode_secret(text_of(characters.view()));
  if (!bytes) return fail(KeyError::malformed);
  return std::move(*bytes);
}

KeyResult<Container> parse_container(Bytes bytes) {
  WireReader fields(bytes);
  Container file;
  if (text_of(fields.raw(kMagic.size())) != kMagic) return fail(KeyError::malformed);
  file.cipher = find_key_cipher(fields.text());
  file.derivation = fields.text();
  WireReader options(fields.string());
  const uint32_t keys = fields.u32();
  file.public_blob = fields.string();
  file.sealed = fields.string();
  if (!fields.ok()) return fail(KeyError::malformed);
  if (!file.cipher) return fail(KeyError::unknown_cipher);
  // The format has room for several keys; nobody writes them and ssh-keygen does not read them.
  if (keys != 1) return fail(KeyError::unsupported);
  file.tag = fields.raw(file.cipher->tag_size);
  if (!fields.ok()) return fail(KeyError::malformed);
  if (!fields.at_end()) return fail(KeyError::trailing_bytes);
  const bool encrypted = file.cipher->mode != KeyCipherMode::none;
  if (file.derivation != (encrypted ? "bcrypt" : "none")) return fail(KeyError::unknown_cipher);
  if (encrypted) {
    file.salt = options.string();
    file.rounds = options.u32();
  }
  if (!options.ok() || !options.at_end()) return fail(KeyError::malformed);
  return file;
}

KeyResult<Secret> derive(const KeyCipher& cipher, Bytes passphrase, Bytes salt, uint32_t rounds) {
  Secret key_and_iv(static_cast<size_t>(cipher.key_size) + cipher.iv_size);
  if (!bcrypt_pbkdf(passphrase, salt, rounds, key_and_iv.view())) return fail(KeyError::malformed);
  return key_and_iv;
}

KeyResult<Secret> open_section(const Container& file, const PassphraseSource& passphrase, const KeyFileLimits& limits) {
  if (file.cipher->mode == KeyCipherMode::none) return open_key_section(*file.cipher, {}, file.sealed, file.tag);
  if (file.rounds > limits.max_bcrypt_rounds) return fail(KeyError::derivation_too_costly);
  const auto secret = passphrase ? passphrase() : std::nullopt;
  if (!secret) return fail(KeyError::passphrase_needed);
  if (secret->empty()) return fail(KeyError::wrong_passphrase);
  const auto key_and_iv = derive(*file.cipher, secret->view(), file.salt, file.rounds);
  if (!key_and_iv) return fail(key_and_iv.error());
  return open_key_section(*file.cipher, key_and_iv->view(), file.sealed, file.tag);
}

KeyResult<NamedPrivateKey> parse_section(const Container& file, Bytes section, const KeyLimits& limits) {
  WireReader fields(section);
  const uint32_t check = fields.u32();
  if (check != fields.u32() || !fields.ok())
    return fail(file.cipher->mode == KeyCipherMode::none ? KeyError::malformed : KeyError::wrong_passphrase);
  auto key = PrivateKey::parse(fields, limits);
  if (!key) return fail(key.error());
  const std::string_view comment = fields.text();
  if (!fields.ok() || comment.size() > kMaxComment) return fail(KeyError::malformed);
  const Bytes padding = fields.rest();
  if (padding.size() >= file.cipher->block_size) return fail(KeyError::malformed);
  for (size_t i = 0; i < padding.size(); ++i)
    if (padding[i] != i + 1) return fail(KeyError::malformed);
  // The clear half is what other programs show and compare before anyone types a passphrase.
  const Bytes blob = key->public_key().blob();
  if (!std::equal(blob.begin(), blob.end(), file.public_blob.begin(), file.public_blob.end()))
    return fail(KeyError::halves_differ);
  return NamedPrivateKey{std::move(*key), std::string(comment)};
}

Secret section_of(Bytes key_fields, std::string_view comment, size_t block) {
  SecretWriter section(key_fields.size() + comment.size() + 64);
  uint8_t check[4];
  fill_random(check);
  section.raw(check).raw(check).raw(key_fields).string(comment);
  for (uint8_t i = 1; section.size() % block != 0; ++i) section.u8(i);
  return section.take();
}

Secret wrap(Bytes bytes) {
  Secret characters(base64_size(bytes.size()));
  base64_encode_into(bytes, reinterpret_cast<char*>(characters.data()));
  SecretWriter text(characters.size() + characters.size() / kLineLength + kOpensshBegin.size() + kEnd.size() + 8);
  text.raw(bytes_of(kOpensshBegin)).u8('\n');
  for (size_t at = 0; at < characters.size(); at += kLineLength) {
    text.raw(characters.view().subspan(at, std::min(kLineLength, characters.size() - at))).u8('\n');
  }
  text.raw(bytes_of(kEnd)).u8('\n');
  return text.take();
}

}  // namespace

KeyResult<NamedPrivateKey> parse_openssh_key(std::string_view text, const PassphraseSource& passphrase,
                                             const KeyFileLimits& limits) {
  const auto bytes = unwrap(text);
  if (!bytes) return fail(bytes.error());
  const auto file = parse_container(bytes->view());
  if (!file) return fail(file.error());
  const auto section = open_section(*file, passphrase, limits);
  if (!section) return fail(section.error());
  return parse_section(*file, section->view(), limits.key);
}

KeyResult<PublicKey> parse_openssh_public_half(std::string_view text, const KeyLimits& limits) {
  const auto bytes = unwrap(text);
  if (!bytes) return fail(bytes.error());
  const auto file = parse_container(bytes->view());
  if (!file) return fail(file.error());
  return PublicKey::parse(file->public_blob, limits);
}

KeyResult<Secret> format_openssh_key(const PrivateKey& key, std::string_view comment, const KeySealing* sealing) {
  const KeyCipher* cipher = find_key_cipher(sealing ? sealing->cipher : "none");
  if (!cipher) return fail(KeyError::unknown_cipher);
  if (comment.size() > kMaxComment) return fail(KeyError::malformed);
  WireWriter options;
  Secret key_and_iv;
  if (sealing) {
    if (sealing->passphrase.empty()) return fail(KeyError::passphrase_needed);
    uint8_t salt[kSaltBytes];
    fill_random(salt);
    options.string(Bytes(salt)).u32(sealing->rounds);
    auto derived = derive(*cipher, sealing->passphrase.view(), salt, sealing->rounds);
    if (!derived) return fail(derived.error());
    key_and_iv = std::move(*derived);
  }
  const auto key_fields = key.fields();
  if (!key_fields) return fail(key_fields.error());
  const Secret section = section_of(key_fields->view(), comment, cipher->block_size);
  SecretWriter file(section.size() + key.public_key().blob().size() + 512);
  file.raw(bytes_of(kMagic)).string(cipher->name).string(sealing ? "bcrypt" : "none").string(options.view()).u32(1);
  file.string(key.public_key().blob()).u32(static_cast<uint32_t>(section.size()));
  if (sealing) {
    const auto sealed = seal_key_section(*cipher, key_and_iv.view(), section.view());
    if (!sealed) return fail(sealed.error());
    file.raw(*sealed);
  } else {
    file.raw(section.view());
  }
  return wrap(file.take().view());
}

}  // namespace sluice
