// Fuzz target: a peer's KEXINIT, and what is agreed from it in either role.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/message_numbers.h"
#include "control/transport/transport_machine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace sluice {
namespace {

KexInit init_of(Role role) {
  const TransportConfig config = default_transport_config(role);
  KexInit init;
  init[KexList::kex] = config.kex;
  init[KexList::kex].emplace_back(role == Role::server ? kStrictServer : kStrictClient);
  init[KexList::host_key] = config.signature_algorithms;
  init[KexList::cipher_client_to_server] = init[KexList::cipher_server_to_client] = config.ciphers;
  init[KexList::mac_client_to_server] = init[KexList::mac_server_to_client] = config.macs;
  init[KexList::compression_client_to_server] = init[KexList::compression_server_to_client] = {"none"};
  return init;
}

bool has(const NameList& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Only what both named can have been agreed.
void check_agreed(const KexInit& client, const KexInit& server) {
  const auto agreed = negotiate(client, server);
  if (!agreed) {
    SLUICE_CHECK(!agreed.error().text.empty());
    return;
  }
  SLUICE_CHECK(agreed->method && agreed->client_to_server && agreed->server_to_client);
  for (const KexInit* side : {&client, &server}) {
    SLUICE_CHECK(has((*side)[KexList::kex], agreed->method->name));
    SLUICE_CHECK(has((*side)[KexList::host_key], agreed->host_key_algorithm));
    SLUICE_CHECK(has((*side)[KexList::cipher_client_to_server], agreed->client_to_server->cipher->ssh_name));
    SLUICE_CHECK(has((*side)[KexList::cipher_server_to_client], agreed->server_to_client->cipher->ssh_name));
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  static const KexInit client = init_of(Role::client);
  static const KexInit server = init_of(Role::server);
  const auto peer = parse_kexinit({data, size});
  if (!peer) return 0;
  for (const NameList& list : peer->lists) {
    SLUICE_CHECK(list.size() <= kMaxNames);
    for (const std::string& name : list) SLUICE_CHECK(!name.empty() && name.size() <= kMaxNameLength);
  }
  // What was taken comes out of the writer as the same thing.
  const std::array<uint8_t, 16> cookie{};
  const auto again = parse_kexinit(write_kexinit(*peer, cookie));
  SLUICE_CHECK(again && again->lists == peer->lists && again->first_packet_follows == peer->first_packet_follows);
  check_agreed(*peer, server);
  check_agreed(client, *peer);
  check_agreed(*peer, *peer);
  return 0;
}
