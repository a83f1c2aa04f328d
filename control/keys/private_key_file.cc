// Which format a file is in, the PEM ones through libcrypto, and paths.
#include "control/keys/private_key_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "control/keys/guarded_file.h"
#include "control/keys/libcrypto.h"
#include "control/keys/openssh_key_format.h"
#include "control/keys/words.h"

namespace sluice {
namespace {

using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using EncryptedKey = std::unique_ptr<X509_SIG, Freed<X509_SIG_free>>;
using Pbes2 = std::unique_ptr<PBE2PARAM, Freed<PBE2PARAM_free>>;
using Pbkdf2 = std::unique_ptr<PBKDF2PARAM, Freed<PBKDF2PARAM_free>>;
using Scrypt = std::unique_ptr<SCRYPT_PARAMS, Freed<SCRYPT_PARAMS_free>>;

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kPkcs8Encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
// `openssl ecparam -genkey` puts them in front of the key, which repeats them.
constexpr std::string_view kEcParameters = "-----BEGIN EC PARAMETERS-----";
constexpr std::string_view kLabels[] = {kPkcs8Encrypted, "-----BEGIN PRIVATE KEY-----",
                                        "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----",
                                        "-----BEGIN DSA PRIVATE KEY-----"};

// One block, of a kind that holds a private key. libcrypto would search on behind what it cannot read, past a check
// that was made on the first block.
KeyResult<std::string_view> the_one_block(std::string_view text) {
  if (text.starts_with(kEcParameters)) {
    const size_t next = text.find(kBegin, kEcParameters.size());
    if (next == std::string_view::npos) return fail(KeyError::malformed);
    text.remove_prefix(next);
  }
  if (text.find(kBegin, kBegin.size()) != std::string_view::npos) return fail(KeyError::unsupported);
  for (const std::string_view label : kLabels)
    if (text.starts_with(label)) return text;
  return fail(KeyError::malformed);
}

bool at_most(const ASN1_INTEGER* value, uint64_t bound, uint64_t& out) {
  return value && ASN1_INTEGER_get_uint64(&out, value) == 1 && out >= 1 && out <= bound;
}

template <class T, class Owner>
Owner unpack(const ASN1_TYPE* parameter, const ASN1_ITEM* item) {
  if (!parameter || parameter->type != V_ASN1_SEQUENCE) return nullptr;
  return Owner(static_cast<T*>(ASN1_item_unpack(parameter->value.sequence, item)));
}

bool derivation_affordable(const X509_ALGOR* derivation, const KeyFileLimits& limits) {
  uint64_t a = 0;
  uint64_t r = 0;
  uint64_t p = 0;
  switch (OBJ_obj2nid(derivation->algorithm)) {
    case NID_id_pbkdf2: {
      const auto pbkdf2 = unpack<PBKDF2PARAM, Pbkdf2>(derivation->parameter, ASN1_ITEM_rptr(PBKDF2PARAM));
      return pbkdf2 && at_most(pbkdf2->iter, limits.max_pbkdf2_iterations, a);
    }
    case NID_id_scrypt: {
      const auto scrypt = unpack<SCRYPT_PARAMS, Scrypt>(derivation->parameter, ASN1_ITEM_rptr(SCRYPT_PARAMS));
      // Each is within 22 bits or so before they are multiplied.
      return scrypt && at_most(scrypt->costParameter, limits.max_scrypt_work, a) &&
             at_most(scrypt->blockSize, limits.max_scrypt_work / a, r) &&
             at_most(scrypt->parallelizationParameter, limits.max_scrypt_work / a / r, p);
    }
    default: return false;
  }
}

// RFC 5958 and RFC 8018: what decrypting this PKCS#8 file will cost, before it is tried. The older schemes than PBES2
// are refused: they are DES, RC2 and RC4.
KeyResult<void> check_pkcs8_cost(BIO* bio, const KeyFileLimits& limits) {
  const EncryptedKey sealed(PEM_read_bio_PKCS8(bio, nullptr, nullptr, nullptr));
  if (!sealed) return fail(KeyError::malformed);
  const X509_ALGOR* scheme = nullptr;
  X509_SIG_get0(sealed.get(), &scheme, nullptr);
  if (OBJ_obj2nid(scheme->algorithm) != NID_pbes2) return fail(KeyError::unknown_cipher);
  const auto parameters = unpack<PBE2PARAM, Pbes2>(scheme->parameter, ASN1_ITEM_rptr(PBE2PARAM));
  if (!parameters || !parameters->keyfunc) return fail(KeyError::malformed);
  if (!derivation_affordable(parameters->keyfunc, limits)) return fail(KeyError::derivation_too_costly);
  return {};
}

struct PassphraseAsked {
  const PassphraseSource* source;
  bool asked = false;
  bool given = false;
};

int on_pem_passphrase(char* buffer, int size, int /*writing*/, void* context) {
  auto* state = static_cast<PassphraseAsked*>(context);
  state->asked = true;
  const auto secret = *state->source ? (*state->source)() : std::nullopt;
  if (!secret || secret->size() > static_cast<size_t>(size)) return -1;
  state->given = true;
  if (!secret->empty()) std::memcpy(buffer, secret->data(), secret->size());
  return static_cast<int>(secret->size());
}

KeyResult<NamedPrivateKey> parse_pem(std::string_view text, const PassphraseSource& passphrase,
                                     const KeyFileLimits& limits) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) return fail(KeyError::crypto_library);
  if (text.starts_with(kPkcs8Encrypted)) {
    if (auto affordable = check_pkcs8_cost(bio.get(), limits); !affordable) return fail(affordable.error());
    (void)BIO_reset(bio.get());
  }
  PassphraseAsked state{&passphrase};
  const EvpKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, on_pem_passphrase, &state));
  if (!key) {
    if (state.asked) return fail(state.given ? KeyError::wrong_passphrase : KeyError::passphrase_needed);
    return fail(KeyError::malformed);
  }
  auto own = PrivateKey::from_libcrypto(key.get(), limits.key);
  if (!own) return fail(own.error());
  return NamedPrivateKey{std::move(*own), {}};
}

}  // namespace

KeyResult<NamedPrivateKey> parse_private_key(Bytes file, const PassphraseSource& passphrase,
                                             const KeyFileLimits& limits) {
  if (file.size() > kMaxPrivateKeyFile) return fail(KeyError::key_too_long);
  const std::string_view text = without_leading(text_of(file), kWhite);
  if (text.starts_with(kOpensshBegin)) return parse_openssh_key(text, passphrase, limits);
  const auto block = the_one_block(text);
  if (!block) return fail(block.error());
  auto parsed = parse_pem(*block, passphrase, limits);
  // libcrypto leaves its reasons in a queue of the thread; ours is in the result.
  ERR_clear_error();
  return parsed;
}

KeyResult<PublicKey> public_half_of(Bytes file, const KeyLimits& limits) {
  if (file.size() > kMaxPrivateKeyFile) return fail(KeyError::key_too_long);
  return parse_openssh_public_half(without_leading(text_of(file), kWhite), limits);
}

KeyResult<Secret> format_private_key(const PrivateKey& key, std::string_view comment, const KeySealing* sealing) {
  return format_openssh_key(key, comment, sealing);
}

ResultOrText<NamedPrivateKey> load_private_key(const std::string& path, const PassphraseSource& passphrase,
                                               const KeyFileLimits& limits) {
  const auto file = read_guarded_file(path, kMaxPrivateKeyFile, FileGuard::private_key);
  if (!file) return fail(file.error());
  auto key = parse_private_key(file->view(), passphrase, limits);
  if (!key) return fail(path + ": " + std::string(describe(key.error())));
  return std::move(*key);
}

ResultOrText<void> save_private_key(const std::string& path, const PrivateKey& key, std::string_view comment,
                                    const KeySealing* sealing) {
  const auto text = format_private_key(key, comment, sealing);
  if (!text) return fail(path + ": " + std::string(describe(text.error())));
  return write_file_atomically(path, text->view(), 0600);
}

}  // namespace sluice
