// Lines of authorities asked in their order, and the options of certificates as PROTOCOL.certkeys has them.
#include "control/keys/user_certificate.h"

#include <algorithm>

#include "base/plain_text.h"
#include "base/wire.h"

namespace sluice {
namespace {

using Outcome = ResultOrText<void>;

constexpr size_t kShownName = 64;

std::string shown(std::string_view text) { return log_text(text.substr(0, kShownName)); }

// The value of an option that has one is a string in the string.
std::optional<std::string> packed_text(const CertificateOption& option) {
  WireReader in(option.value);
  std::string text(in.text());
  if (!in.ok() || !in.at_end() || text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

// Addresses and ranges, nothing else: no names, patterns or negations.
Outcome check_source(std::string_view ranges, std::string_view from) {
  const auto address = Address::parse(from);
  bool sound = address.has_value(), inside = false;
  for_each_part(ranges, [&](std::string_view part) {
    const auto range = AddressRange::parse(part);
    sound = sound && range.has_value();
    inside = inside || (sound && range->contains(*address));
  });
  if (!sound) return fail("its source-address is no list of address ranges");
  if (!inside) return fail("it is not for this address");
  return {};
}

Outcome apply_critical(KeyOptions& options, const CertificateOption& option, const CertifiedLogin& login) {
  if (option.name == "verify-required" && option.value.empty()) {
    options.touch.verification_required = true;
    return {};
  }
  const auto text = packed_text(option);
  if (option.name == "source-address" && text) return check_source(*text, login.address);
  if (option.name == "force-command" && text) {
    // Neither of the two may be passed by.
    if (options.command && *options.command != *text) return fail("its forced command is not the one of the line");
    options.command = *text;
    return {};
  }
  return fail("it has a critical option that is not understood: " + shown(option.name));
}

bool has(const std::vector<CertificateOption>& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [&](const CertificateOption& option) { return option.name == name; });
}

// What is not permitted is forbidden; what is not known permits nothing that we have.
void apply_extensions(KeyOptions& options, const std::vector<CertificateOption>& extensions) {
  const auto permitted = [&](std::string_view name) { return has(extensions, name); };
  options.pty = options.pty && permitted("permit-pty");
  options.port_forwarding = options.port_forwarding && permitted("permit-port-forwarding");
  options.agent_forwarding = options.agent_forwarding && permitted("permit-agent-forwarding");
  options.x11_forwarding = options.x11_forwarding && permitted("permit-X11-forwarding");
  options.user_rc = options.user_rc && permitted("permit-user-rc");
  // Both the line and the certificate have to do without a touch.
  options.touch.presence_required = options.touch.presence_required || !permitted("no-touch-required");
}

Outcome narrow(KeyOptions& options, const Certificate& certificate, const CertifiedLogin& login) {
  const auto& critical = certificate.critical_options;
  for (size_t i = 0; i < critical.size(); ++i) {
    const auto same = [&](const CertificateOption& other) { return other.name == critical[i].name; };
    if (std::any_of(critical.begin(), critical.begin() + static_cast<ptrdiff_t>(i), same))
      return fail("it has a critical option twice: " + shown(critical[i].name));
    if (auto applied = apply_critical(options, critical[i], login); !applied) return applied;
  }
  apply_extensions(options, certificate.extensions);
  return {};
}

// What the certificate itself has against it, whatever line its authority is on.
std::string objection_to_user(const Certificate& certificate, int64_t now) {
  if (certificate.kind != CertificateKind::user) return "it is a host's certificate";
  const SignatureAlgorithm* row = find_signature_algorithm(certificate.signature_algorithm);
  if (row == nullptr || !row->on_by_default)
    return "its authority signed with " + shown(certificate.signature_algorithm);
  return objection_to_time(certificate, now);
}

bool names_one(const Certificate& certificate, const KeyOptions& line, std::string_view user) {
  return std::any_of(certificate.principals.begin(), certificate.principals.end(), [&](const std::string& name) {
    if (!line.principals) return name == user;
    return std::find(line.principals->begin(), line.principals->end(), name) != line.principals->end();
  });
}

ResultOrText<KeyOptions> judge(const KeyOptions& line, const Certificate& certificate, const CertifiedLogin& login) {
  if (line.expires_at && login.now >= *line.expires_at) return fail("expired");
  if (line.from && !line.from->admits(login.host, login.address)) return fail("not from this address");
  if (auto objection = objection_to_user(certificate, login.now); !objection.empty()) return fail(std::move(objection));
  if (!names_one(certificate, line, login.user))
    return fail(line.principals ? "it names nobody of principals=" : "it does not name the user");
  KeyOptions options = line;
  if (auto narrowed = narrow(options, certificate, login); !narrowed) return fail(narrowed.error());
  return options;
}

}  // namespace

CertifiedAdmission admit_certificate(std::span<const AuthorizedKey> lines, const Certificate& certificate,
                                     const CertifiedLogin& login) {
  CertifiedAdmission admission;
  for (const AuthorizedKey& line : lines) {
    if (!line.options.cert_authority || !(line.key == certificate.authority)) continue;
    auto options = judge(line.options, certificate, login);
    if (options) return {std::move(*options), {}};
    admission.reason = "line " + std::to_string(line.line) + ", certificate " + describe_certificate(certificate) +
                       ": " + options.error();
  }
  return admission;
}

}  // namespace sluice
