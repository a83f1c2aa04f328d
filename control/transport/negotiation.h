// What two KEXINITs agree on, RFC 4253 section 7.1: for each list the first of the client's names that the server has.
#pragma once

#include "control/kex/kex_method.h"
#include "control/transport/kexinit.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

// Names in a kex list that are no methods.
inline constexpr std::string_view kExtInfoClient = "ext-info-c";
inline constexpr std::string_view kExtInfoServer = "ext-info-s";
inline constexpr std::string_view kStrictClient = "kex-strict-c-v00@openssh.com";
inline constexpr std::string_view kStrictServer = "kex-strict-s-v00@openssh.com";

struct Negotiated {
  const KexMethod* method = nullptr;
  std::string host_key_algorithm;
  const CipherSuite* client_to_server = nullptr;
  const CipherSuite* server_to_client = nullptr;
  bool client_wants_ext_info = false;
  bool server_wants_ext_info = false;
  bool strict = false;              // both said so; counts in a connection's first exchange only
  bool client_guess_wrong = false;  // its next packet is to be ignored
  bool server_guess_wrong = false;
};

// On failure: the list without a common name, and both sides' names.
tl::expected<Negotiated, Disagreement> negotiate(const KexInit& client, const KexInit& server);

}  // namespace sluice
