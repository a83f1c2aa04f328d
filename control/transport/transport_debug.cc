// Messages read again for their names alone: whoever does not debug does not come here.
#include "control/transport/transport_debug.h"

#include "base/debug_words.h"
#include "base/message_numbers.h"
#include "base/plain_text.h"
#include "base/wire.h"
#include "control/transport/kexinit.h"

namespace sluice {
namespace {

using Lines = std::vector<std::string>;

// RFC 4419; 30 to 34 are each method's own numbers.
constexpr uint8_t kMsgMethodInit = 30, kMsgKexReply = 31, kMsgGexInit = 32, kMsgGexReply = 33, kMsgGexRequest = 34;
// Lists of a peer's are as long as he likes.
constexpr size_t kMostShown = 400;

std::string shown(std::string_view text) { return log_text(text.substr(0, kMostShown)); }

Lines userauth_request(WireReader& in) {
  const std::string user = shown(in.text());
  in.text();
  const std::string_view method = in.text();
  Lines lines{"Using method = " + shown(method)};
  if (method != "publickey") return lines;
  const bool has_signature = in.boolean();
  lines.push_back("Received publickey algo = " + shown(in.text()));
  if (has_signature) lines.push_back("Verifying signature for user '" + user + "' in SSH2_MSG_USERAUTH_REQUEST");
  return lines;
}

// Bits of the group's modulus, where it is one: the reply of other methods begins otherwise.
Lines group(WireReader& in) {
  const Bytes prime = in.string(), generator = in.string();
  constexpr size_t kLeastPrime = 128, kMostGenerator = 8;
  if (!in.ok() || !in.at_end() || prime.size() < kLeastPrime || generator.size() > kMostGenerator) return {};
  const size_t bytes = prime.size() - (prime[0] == 0 ? 1 : 0);
  return {"Modulus size established : " + std::to_string(bytes * 8) + " bits", "expecting SSH2_MSG_KEX_DH_GEX_INIT"};
}

Lines kexinit(Bytes payload) {
  const auto init = parse_kexinit(payload);
  if (!init) return {};
  const auto list = [&](KexList which) {
    std::string out;
    for (const std::string& name : (*init)[which]) out.append(out.empty() ? "" : ",").append(name);
    return shown(out);
  };
  return {"kexinit sent: kex algo = " + list(KexList::kex), "kexinit sent: hostkey algo = " + list(KexList::host_key),
          "kexinit sent: encryption algo = " + list(KexList::cipher_server_to_client),
          "kexinit sent: mac algo = " + list(KexList::mac_server_to_client)};
}

}  // namespace

Lines lines_of_received(Bytes payload) {
  WireReader in(payload);
  switch (in.u8()) {
    case kMsgMethodInit: return {"SSH2_MSG_KEXDH_INIT received"};
    case kMsgKexReply: return {"SSH2_MSG_KEXDH_REPLY received"};
    case kMsgGexInit: return {"SSH2_MSG_KEXDH_INIT received"};
    case kMsgGexReply: return {"SSH2_MSG_KEX_DH_GEX_REPLY received"};
    case kMsgGexRequest: {
      const uint32_t least = in.u32(), wanted = in.u32(), most = in.u32();
      return {"SSH2_MSG_KEX_DH_GEX_REQUEST received", "Range sent by client is - " + std::to_string(least) + " < " +
                                                          std::to_string(wanted) + " < " + std::to_string(most)};
    }
    case kMsgUserauthRequest: return userauth_request(in);
    case kMsgUserauthSuccess: return {"SSH2_MSG_USERAUTH_SUCCESS message received"};
    default: return {};
  }
}

Lines lines_of_sent(Bytes payload) {
  WireReader in(payload);
  switch (in.u8()) {
    case kMsgKexInit: return kexinit(payload);
    case kMsgKexReply: return group(in);
    case kMsgUserauthRequest: {
      in.text(), in.text();
      return {"using method " + shown(in.text())};
    }
    case kMsgUserauthFailure: return {"Authentications that can continue = " + shown(in.text())};
    default: return {};
  }
}

Lines lines_of_packet_sent(size_t payload_bytes, const CipherSuite& suite, uint32_t kind) {
  const auto payload = static_cast<uint32_t>(payload_bytes);
  const uint32_t length = record_length(suite, payload);
  const std::string all = std::to_string(length), padding = std::to_string(length - 5 - payload);
  if (kind == kDebugWhole) return {"send: len " + all + " (includes padlen " + padding + ")"};
  return {"send:packet of length " + all + " (length also includes padlen of " + padding + ")"};
}

}  // namespace sluice
