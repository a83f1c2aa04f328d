// What the transport machine asks of its surroundings: the data path, slow arithmetic, host keys, the layer above.
//
// The machine is bytes in, calls out, on one control thread. Each interface may answer at once or later; what is passed
// as `then` runs on that same thread and must not be called after the machine is gone (the machine guards it itself).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/result.h"
#include "base/secret.h"
#include "control/transport/kexinit.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

// Keys of one direction as an exchange derived them.
struct DirectionKeys {
  const CipherSuite* suite = nullptr;
  Secret cipher_key;
  Secret iv;
  Secret mac_key;
};

// To the data path. Calls take effect in their order.
class TransportPort {
 public:
  virtual ~TransportPort() = default;
  // A line before records begin, without CR LF.
  virtual void send_line(std::string_view line) = 0;
  virtual void send(std::vector<uint8_t> payload) = 0;
  // From here until the peer's NEWKEYS no record is opened before a short one in front of it has been looked at; strict
  // tells what that NEWKEYS resets.
  virtual void expect_newkeys(bool strict) = 0;
  // Keys that the peer's NEWKEYS turns to.
  virtual void install_receive(DirectionKeys keys) = 0;
  // Our NEWKEYS, and the keys for all that follows it.
  virtual void send_newkeys(DirectionKeys keys, bool strict) = 0;
  // Sends DISCONNECT where that is still possible, then ends the connection.
  virtual void close(Disconnect code, std::string_view text) = 0;
};

// Big-number work, on other threads, bounded and fair.
class SlowWork {
 public:
  virtual ~SlowWork() = default;
  // False when the strangers' queue is full: the connection is refused. Who is logged in always finds a place for one
  // step and for what he prepares.
  virtual bool run(std::function<void()> work, std::function<void()> then) = 0;
  // A quick step of a stranger may run on the caller's thread: nobody waits for it, or for the pool.
  virtual bool has_time() { return false; }
  // Work that needs little stack and may pause while a device computes.
  virtual bool run_pausable(std::function<void()> work, std::function<void()> then) {
    return run(std::move(work), std::move(then));
  }
};

// The server's host keys, which live elsewhere.
class HostKeySigner {
 public:
  virtual ~HostKeySigner() = default;
  virtual NameList algorithms() const = 0;
  virtual std::vector<uint8_t> public_blob(std::string_view algorithm) const = 0;
  using Signed = std::function<void(ResultOrText<std::vector<uint8_t>>)>;
  virtual void sign(std::string_view kex, std::string_view algorithm, Bytes exchange_hash, Signed then) = 0;
};

// The client's opinion of a server's key whose signature was verified.
class HostKeyJudge {
 public:
  virtual ~HostKeyJudge() = default;
  using Judged = std::function<void(ResultOrText<bool>)>;
  virtual void judge(Bytes host_key, std::string_view algorithm, Judged then) = 0;
};

// What runs over the transport: authentication, then the connection's control part.
class UpperLayer {
 public:
  virtual ~UpperLayer() = default;
  // Keys are in use for the first time. The server waits for a service request, the client may ask for one.
  virtual void on_keyed(Bytes session_id) = 0;
  // Server: the client asked for it and nothing speaks against it. Client: the server accepted it.
  virtual bool on_service(std::string_view name) = 0;
  // Messages 50 to 100 that the phase allows. False: the layer knows no such message.
  virtual bool on_message(Bytes payload, uint32_t sequence) = 0;
  virtual void on_ext_info(std::string_view name, Bytes value) = 0;
  // After a rekey.
  virtual void on_rekeyed() = 0;
  virtual void on_disconnect(uint32_t reason, std::string_view text) = 0;
  // Why this side ends the connection, where the two offers are the reason.
  virtual void on_no_common_algorithm(const Disagreement&) {}
  // A line for who debugs; only while somebody wants that kind.
  virtual void on_debug(uint32_t, std::string_view) {}
};

}  // namespace sluice
