// What a user's certificate is worth: the first line of its authority that it satisfies, narrowed by its own options.
//
// A certificate without names lets nobody in: PROTOCOL.certkeys has it stand for everybody, so that one mistake of its
// authority would open every account that trusts it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/keys/authorized_keys.h"
#include "control/keys/certificate.h"

namespace sluice {

// Who wants to come in with it, from where and when.
struct CertifiedLogin {
  std::string_view user;
  int64_t now;  // seconds since 1970
  std::string_view host;
  std::string_view address;
};

struct CertifiedAdmission {
  std::optional<KeyOptions> options;  // none: not admitted
  std::string reason;                 // why not, for the log; empty when no line is its authority's
};

CertifiedAdmission admit_certificate(std::span<const AuthorizedKey> lines, const Certificate& certificate,
                                     const CertifiedLogin& login);

}  // namespace sluice
