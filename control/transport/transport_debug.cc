// Messages read again for their names alone: whoever does not debug does not come here.
#include "control/transport/transport_debug.h"

#include <algorithm>

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
// RFC 4253 section 6: length and padding length; eight bytes are a block before keys.
constexpr uint32_t kFrameHeader = 5;
constexpr size_t kFirstBlock = 8;

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

std::vector<DebugLine> lines_of_sending(size_t payload_bytes, const CipherSuite& suite) {
  const auto payload = static_cast<uint32_t>(payload_bytes);
  const uint32_t length = record_length(suite, payload);
  const std::string all = std::to_string(length), padding = std::to_string(length - kFrameHeader - payload);
  return {{kDebugWhole, "send: len " + all + " (includes padlen " + padding + ")"},
          {kDebugPacket, "send:packet of length " + all + " (length also includes padlen of " + padding + ")"}};
}

std::vector<DebugLine> lines_of_packet(const PacketSeen& packet) {
  const CipherSuite& suite = *packet.suite;
  const std::string number = std::to_string(packet.sequence);
  std::vector<DebugLine> lines;
  if (packet.sent) {
    // Control has told of its own already.
    const bool of_control = !is_channel_message(packet.number);
    if (!of_control) lines = lines_of_sending(packet.payload_bytes, suite);
    if (suite.tag_bytes > 0) lines.push_back({kDebugWhole, "done calc MAC out #" + number});
    return lines;
  }
  const auto text = [](size_t value) { return std::to_string(value); };
  const size_t length = kFrameHeader + packet.payload_bytes + packet.padding;
  const size_t first = std::min<size_t>(suite.is_plain() ? kFirstBlock : suite.alignment, length);
  const std::string tag = text(suite.tag_bytes), padding = text(packet.padding);
  lines = {{kDebugPackets, "ssh_receive: " + text(length + suite.tag_bytes) + " bytes received"},
           {kDebugWhole, "input: packet len " + text(length)},
           {kDebugWhole, "partial packet " + text(first) + ", need " + text(length - first) + ", maclen " + tag},
           {kDebugPacket, "input: total packet length of " + text(length) + " bytes"},
           {kDebugPacket, "partial packet length(block size)" + text(first) + " bytes,needed " + text(length - first) +
                              " bytes, maclen " + tag}};
  if (suite.tag_bytes > 0) {
    lines.push_back({kDebugWhole, "MAC #" + number + " ok"});
    lines.push_back({kDebugPacket, "MAC compared for #" + number + " :ok"});
  }
  // Of a login's messages it would tell how long a password is.
  if (!is_userauth_message(packet.number)) {
    lines.push_back({kDebugWhole, "input: padlen " + padding});
    lines.push_back({kDebugPacket, "input: padlength " + padding + " bytes"});
  }
  lines.push_back({kDebugWhole, "received packet type " + text(packet.number)});
  return lines;
}

}  // namespace sluice
