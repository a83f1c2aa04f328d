// Reading a server's lines and its first packet, which nothing protects yet.
#include "apps/sluice/bench/server_offer.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/message_numbers.h"
#include "base/unique_fd.h"
#include "control/client/dial.h"
#include "control/transport/identification.h"

namespace sluice::bench {
namespace {

constexpr int kPatienceMs = 30000;
// Lines, and a packet without encryption: RFC 4253 section 6.1.
constexpr size_t kMostBytes = kMaxBannerLines * kMaxBannerLine + 35000;
constexpr size_t kPacketHead = 5;  // length, and the padding's

bool has(const NameList& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_both(const KexInit& offer, KexList up, KexList down, const std::string& name) {
  return has(offer[up], name) && has(offer[down], name);
}

// The payload at the beginning of `bytes`; nothing: it is not whole yet.
ResultOrText<Bytes> first_payload(Bytes bytes) {
  if (bytes.size() < kPacketHead) return Bytes();
  const size_t length = load_be32(bytes.data()), padding = bytes[4];
  if (length > kMostBytes || length < padding + 2) return fail("its first packet is no packet of SSH");
  if (bytes.size() < 4 + length) return Bytes();
  return bytes.subspan(kPacketHead, length - 1 - padding);
}

ResultOrText<KexInit> read_offer(int descriptor) {
  IdentificationReader reader(Role::client);
  std::vector<uint8_t> bytes;
  bool identified = false;
  while (bytes.size() < kMostBytes) {
    std::array<uint8_t, 4096> piece;
    pollfd ready{descriptor, POLLIN, 0};
    if (::poll(&ready, 1, kPatienceMs) <= 0) return fail("it says nothing");
    const ssize_t n = ::recv(descriptor, piece.data(), piece.size(), 0);
    if (n <= 0) return fail("it closed the connection" + (reader.said().empty() ? "" : ": " + reader.said()));
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + n);
    if (!identified) {
      const auto answer = reader.take(bytes);
      if (answer.kind == IdentificationReader::Kind::refused) return fail(answer.text);
      identified = answer.kind == IdentificationReader::Kind::found;
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(answer.consumed));
    }
    if (!identified) continue;
    const auto payload = first_payload(bytes);
    if (!payload) return fail(payload.error());
    if (payload->empty()) continue;
    auto init = parse_kexinit(*payload);
    if (!init) return fail("its first packet is no KEXINIT");
    return std::move(*init);
  }
  return fail("it says too much before its KEXINIT");
}

}  // namespace

ResultOrText<KexInit> ask_offer(const std::string& host, uint16_t port) {
  const auto dialed = dial({.host = host, .port = port});
  if (!dialed) return fail(dialed.error().text);
  const UniqueFd socket(dialed->descriptor);
  const std::string line = own_identification("Sluice_bench") + "\r\n";
  if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return fail(host + ": cannot write");
  auto offer = read_offer(socket.get());
  if (!offer) return fail("what " + host + " offers: " + offer.error());
  return offer;
}

Narrowed narrow(const KexInit& offer, const std::vector<std::string>& kexes,
                const std::vector<std::pair<std::string, std::string>>& suites) {
  Narrowed out;
  const auto lack = [&](const std::string& name) {
    if (!has(out.lacking, name)) out.lacking.push_back(name);
  };
  for (const std::string& kex : kexes) has(offer[KexList::kex], kex) ? out.kexes.push_back(kex) : lack(kex);
  for (const auto& suite : suites) {
    const auto& [cipher, mac] = suite;
    const bool cipher_there =
        has_both(offer, KexList::cipher_client_to_server, KexList::cipher_server_to_client, cipher);
    const bool mac_there =
        mac.empty() || has_both(offer, KexList::mac_client_to_server, KexList::mac_server_to_client, mac);
    if (cipher_there && mac_there) out.suites.push_back(suite);
    if (!cipher_there) lack(cipher);
    if (!mac_there) lack(mac);
  }
  return out;
}

}  // namespace sluice::bench
