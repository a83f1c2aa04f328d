// What can be wrong with a key, a signature or a key file: one table from error to the sentence a person reads.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace sluice {

enum class KeyError : uint8_t {
  malformed,
  trailing_bytes,
  unknown_type,
  curve_mismatch,
  invalid_point,
  key_too_short,
  key_too_long,
  bad_parameters,
  unknown_algorithm,
  algorithm_mismatch,
  algorithm_not_of_key,
  bad_signature,
  presence_missing,
  verification_missing,
  halves_differ,
  passphrase_needed,
  wrong_passphrase,
  derivation_too_costly,
  unknown_cipher,
  unsupported,
  crypto_library,
  count_,
};

struct KeyErrorRow {
  KeyError error;
  std::string_view text;
};

inline constexpr std::array<KeyErrorRow, static_cast<size_t>(KeyError::count_)> kKeyErrors{{
    {KeyError::malformed, "not a well-formed key or signature"},
    {KeyError::trailing_bytes, "bytes left over behind the key or signature"},
    {KeyError::unknown_type, "unknown key type"},
    {KeyError::curve_mismatch, "the curve is not the one that the key type names"},
    {KeyError::invalid_point, "the public point is not on its curve"},
    {KeyError::key_too_short, "the key is shorter than allowed"},
    {KeyError::key_too_long, "the key is longer than allowed"},
    {KeyError::bad_parameters, "the numbers of the key cannot be those of a sound key"},
    {KeyError::unknown_algorithm, "unknown signature algorithm"},
    {KeyError::algorithm_mismatch, "signed with another algorithm than the one agreed"},
    {KeyError::algorithm_not_of_key, "the signature algorithm does not belong to this key type"},
    {KeyError::bad_signature, "the signature is wrong"},
    {KeyError::presence_missing, "the authenticator was not touched"},
    {KeyError::verification_missing, "the authenticator did not verify its user"},
    {KeyError::halves_differ, "private and public half do not belong together"},
    {KeyError::passphrase_needed, "the key file is encrypted and there is no passphrase"},
    {KeyError::wrong_passphrase, "wrong passphrase"},
    {KeyError::derivation_too_costly, "the key file asks for more key derivation rounds than allowed"},
    {KeyError::unknown_cipher, "the key file is encrypted in an unknown way"},
    {KeyError::unsupported, "this kind of key is not supported here"},
    {KeyError::crypto_library, "the crypto library refused"},
}};

constexpr std::string_view describe(KeyError error) { return kKeyErrors[static_cast<size_t>(error)].text; }

template <class T>
using KeyResult = tl::expected<T, KeyError>;

inline tl::unexpected<KeyError> fail(KeyError error) { return tl::unexpected<KeyError>(error); }

}  // namespace sluice
