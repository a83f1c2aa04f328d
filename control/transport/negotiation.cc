// Choosing names.
#include "control/transport/negotiation.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 8> kListNames{"key exchange method",
                                                     "host key algorithm",
                                                     "cipher (client to server)",
                                                     "cipher (server to client)",
                                                     "MAC (client to server)",
                                                     "MAC (server to client)",
                                                     "compression (client to server)",
                                                     "compression (server to client)"};

tl::unexpected<Disagreement> disagree(Disagreement why) { return tl::unexpected<Disagreement>(std::move(why)); }

bool has(const NameList& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_marker(std::string_view name) {
  return name == kExtInfoClient || name == kExtInfoServer || name == kStrictClient || name == kStrictServer;
}

tl::expected<std::string, Disagreement> choose(const KexInit& client, const KexInit& server, KexList list) {
  for (const std::string& name : client[list]) {
    if (!is_marker(name) && has(server[list], name)) return name;
  }
  const std::string name(kListNames[static_cast<size_t>(list)]);
  return disagree({"no common " + name + ": client offers " + join_names(client[list]) + "; server offers " +
                       join_names(server[list]),
                   name, client[list], server[list]});
}

// RFC 4253 section 7.1: a guess is right when both sides' first kex and first host key names agree.
bool guess_wrong(const KexInit& client, const KexInit& server) {
  const auto first = [](const NameList& names) {
    return names.empty() ? std::string_view() : std::string_view(names.front());
  };
  return first(client[KexList::kex]) != first(server[KexList::kex]) ||
         first(client[KexList::host_key]) != first(server[KexList::host_key]);
}

tl::expected<const CipherSuite*, Disagreement> choose_suite(const KexInit& client, const KexInit& server,
                                                            KexList cipher_list, KexList mac_list) {
  const auto cipher = choose(client, server, cipher_list);
  if (!cipher) return disagree(cipher.error());
  // RFC 5647 as OpenSSH mends it: an AEAD brings its own MAC and the MAC lists are not asked.
  if (const CipherSuite* aead = find_suite(*cipher, ""); aead != nullptr && aead->is_aead()) return aead;
  const auto mac = choose(client, server, mac_list);
  if (!mac) return disagree(mac.error());
  const CipherSuite* suite = find_suite(*cipher, *mac);
  if (suite == nullptr || !suite->negotiable) return disagree({"no suite of " + *cipher + " and " + *mac});
  return suite;
}

}  // namespace

tl::expected<Negotiated, Disagreement> negotiate(const KexInit& client, const KexInit& server) {
  Negotiated out;
  const auto method = choose(client, server, KexList::kex);
  if (!method) return disagree(method.error());
  out.method = find_kex_method(*method);
  if (out.method == nullptr) return disagree({"key exchange method " + *method + " is not known here"});
  const auto host_key = choose(client, server, KexList::host_key);
  if (!host_key) return disagree(host_key.error());
  out.host_key_algorithm = *host_key;
  const auto up = choose_suite(client, server, KexList::cipher_client_to_server, KexList::mac_client_to_server);
  if (!up) return disagree(up.error());
  const auto down = choose_suite(client, server, KexList::cipher_server_to_client, KexList::mac_server_to_client);
  if (!down) return disagree(down.error());
  out.client_to_server = *up;
  out.server_to_client = *down;
  for (const KexList list : {KexList::compression_client_to_server, KexList::compression_server_to_client}) {
    if (const auto none = choose(client, server, list); !none) return disagree(none.error());
  }
  out.client_wants_ext_info = has(client[KexList::kex], kExtInfoClient);
  out.server_wants_ext_info = has(server[KexList::kex], kExtInfoServer);
  out.strict = has(client[KexList::kex], kStrictClient) && has(server[KexList::kex], kStrictServer);
  const bool wrong = guess_wrong(client, server);
  out.client_guess_wrong = client.first_packet_follows && wrong;
  out.server_guess_wrong = server.first_packet_follows && wrong;
  return out;
}

}  // namespace sluice
