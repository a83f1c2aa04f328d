// The identification strings that open a connection, RFC 4253 section 4.2.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "control/transport/role.h"

namespace sluice {

// CR LF included. RFC 4253 section 4.2.
inline constexpr size_t kMaxIdentification = 255;
// Lines that a server may send first. Bounds what a client reads before it knows that the peer speaks SSH at all.
inline constexpr size_t kMaxBannerLines = 64;
inline constexpr size_t kMaxBannerLine = 1024;

struct Identification {
  std::string line;      // without CR LF, as it is hashed
  std::string software;  // "OpenSSH_9.2p1 Debian-2"
};

// Takes the peer's lines until its identification has come. A peer of protocol 1.99 is one of version 2.
class IdentificationReader {
 public:
  explicit IdentificationReader(Role own_role) : own_role_(own_role) {}

  enum class Kind : uint8_t { more, found, refused };
  struct Answer {
    Kind kind;
    size_t consumed;        // bytes that are done with
    std::string text = {};  // refused: what to tell the peer and the log
  };
  // `received` starts where the last answer's consumed bytes ended.
  Answer take(Bytes received);

  const Identification& peer() const { return peer_; }
  // The last line of a server that was no identification: where none follows, why it turns us away.
  const std::string& said() const { return said_; }

 private:
  Answer judge(std::string_view line, size_t consumed);

  Role own_role_;
  size_t lines_ = 0;
  std::string said_;
  Identification peer_;
};

// "SSH-2.0-Sluice_0.1"; CHECKs that the software version has no character that RFC 4253 forbids.
std::string own_identification(std::string_view software);

}  // namespace sluice
