// A channel of RFC 4254 as what runs in it sees it, and what that must be.
//
// All calls are made on the connection's worker and never wait. What arrives is taken at once: the window that was
// given bounds what a service may have to keep, and only consumed() gives more. What leaves is asked for in on_turn():
// reserve a place in a record, write there, finish.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "dataplane/watcher.h"

namespace sluice {

// RFC 4254 section 5.1.
enum class OpenFailure : uint8_t {
  administratively_prohibited = 1,
  connect_failed = 2,
  unknown_channel_type = 3,
  resource_shortage = 4,
};

// A place for data in one message, inside the record that will be sealed and sent.
struct DataDraft {
  MutableBytes data;
  size_t position;  // for finish()
  uint8_t* message;
};

// The service's side of its channel. Valid from Service::attach() until the service is destroyed.
class Channel {
 public:
  virtual ~Channel() = default;

  // Room for at most `most` bytes, less where window, the peer's packet size or memory are less; nothing: would block,
  // on_turn() comes again. Several may be open.
  virtual std::optional<DataDraft> reserve(size_t most) = 0;
  // For standard error: extended data of type 1.
  virtual std::optional<DataDraft> reserve_stderr(size_t most) = 0;
  // The first n bytes are sent; 0 drops the draft.
  virtual void finish(const DataDraft& draft, size_t n) = 0;
  // What reserve() could give in all, without regard to record places: window.
  virtual uint64_t window() const = 0;

  // So many bytes of on_data() need no more memory here.
  virtual void consumed(size_t n) = 0;
  // Bulk is about to come: the window is made wide now, as far as the budget goes, and not a doubling a round trip.
  virtual void widen() {}
  // The answer to a request that was answered with `later`, in the order of the requests.
  virtual void answer(bool success) = 0;
  virtual void request(std::string_view name, bool want_reply, Bytes extra) = 0;
  virtual void send_eof() = 0;
  // Sends CLOSE after what was finished; the service is destroyed when the peer has closed too.
  virtual void close() = 0;
  // RFC 4254 section 5.1, for a channel whose open was left pending.
  virtual void confirm(Bytes extra = {}) = 0;
  virtual void refuse(OpenFailure reason, std::string_view text) = 0;

  // A protocol error of the peer: the connection ends.
  virtual void fail(ErrorCode error) = 0;
  virtual bool watch(int descriptor, Watcher& watcher) = 0;
  virtual void unwatch(int descriptor) = 0;
  // Another turn soon, though nothing of the connection moves.
  virtual void ask_turn() = 0;
};

// Between a connection's services and control, either way: what it means is theirs to agree on. Order is kept, none is
// lost.
struct SinkNote {
  uint32_t kind = 0;
  uint32_t id = 0;
  std::vector<uint8_t> bytes;
  UniqueFd descriptor;
  bool may_be_lost = false;  // where control is behind
};

// A channel request, RFC 4254 section 5.4. The view is valid during the call.
struct ChannelRequest {
  std::string_view name;
  Bytes extra;
  bool want_reply;
};

enum class RequestAnswer : uint8_t { success, failure, later };

class Service {
 public:
  virtual ~Service() = default;
  virtual void attach(Channel& channel) = 0;
  // Our open was confirmed, with what the type adds.
  virtual void on_confirmed(Bytes) {}
  // Our open was refused; the service is destroyed after this.
  virtual void on_refused(OpenFailure, std::string_view) {}
  // In order, where they were received; valid, and writable, during the call.
  virtual void on_data(std::span<const MutableBytes> pieces) = 0;
  virtual void on_stderr(Bytes data) = 0;
  virtual RequestAnswer on_request(const ChannelRequest& request) = 0;
  // To a request of ours that wanted a reply.
  virtual void on_reply(bool) {}
  // No more data comes.
  virtual void on_eof() = 0;
  // The peer closed. What is still to be sent has nobody to read it; the service is destroyed after this, unless it
  // lingers.
  virtual void on_close() {}
  // Asked after on_close(). True: what was received has yet to get somewhere, and the channel stays, counted like any
  // other, until the service calls close(); no data comes or goes any more.
  virtual bool lingers() const { return false; }
  // There may be room to send, or a watched descriptor was ready. Drafts are finished before it returns.
  virtual void on_turn() = 0;
};

// The connection, to what decides about its channels.
class ChannelHost {
 public:
  virtual ~ChannelHost() = default;
  // Opens a channel towards the peer. False: there are too many, or what is said of it is too long for a message.
  virtual bool open(std::string_view type, Bytes extra, std::unique_ptr<Service> service) = 0;
  virtual void tell_control(SinkNote&& note) = 0;
  virtual bool watch(int descriptor, Watcher& watcher) = 0;
  virtual void unwatch(int descriptor) = 0;
  virtual void fail(ErrorCode error) = 0;
  virtual size_t channels() const = 0;
  // Another turn soon, though nothing of the connection moves.
  virtual void ask_turn() {}
};

struct OpenRefusal {
  OpenFailure reason;
  std::string_view text;
};

// What to do with a peer's open: a service, which with `pending` confirms or refuses later itself; or a refusal.
struct OpenDecision {
  std::unique_ptr<Service> service;
  bool pending = false;
  OpenRefusal refusal{};
};

// What a connection's channels are for: the server's or the client's side of RFC 4254.
class ChannelOpener {
 public:
  virtual ~ChannelOpener() = default;
  // Once, before anything else; the host outlives the opener.
  virtual void attach(ChannelHost&) {}
  virtual OpenDecision open(std::string_view type, Bytes extra) = 0;
  virtual void on_note(SinkNote&&) {}
  virtual void hear_global_request(Bytes) {}
  // A line for who debugs; only while somebody does.
  virtual void on_debug(std::string_view) {}
  // Each turn, before those of the services.
  virtual void on_turn() {}
};

}  // namespace sluice
