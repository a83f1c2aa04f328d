// A client's forwarded streams: what a listener of ours accepted, what the server sends us, and -W's standard streams.
#pragma once

#include "services/client_session/client_channels.h"
#include "services/client_session/socks_parser.h"

namespace sluice {

// Known to ~# as long as it lives.
class NamedStream : public StreamService {
 public:
  NamedStream(ClientChannels& channels, std::string name, StreamEnds ends = {});
  ~NamedStream() override;

 protected:
  ClientChannels& channels() { return channels_; }

 private:
  ClientChannels& channels_;
};

// Accepted here, for an open that we send.
class DirectStream final : public NamedStream {
 public:
  using NamedStream::NamedStream;
  void on_refused(OpenFailure, std::string_view text) override;
};

// After SOCKS: the client hears how the open went before anything flows.
class SocksStream final : public NamedStream {
 public:
  SocksStream(ClientChannels& channels, std::string name, UniqueFd socket, std::vector<uint8_t> granted,
              std::vector<uint8_t> refused, std::vector<uint8_t> early);
  void on_confirmed(Bytes) override;
  void on_refused(OpenFailure, std::string_view text) override;
  void on_turn() override;

 private:
  UniqueFd socket_;
  std::vector<uint8_t> granted_, refused_;
  std::vector<uint8_t> early_;  // came behind the request, for the server
};

// Opened by the server, confirmed when our end is connected.
class PendingStream final : public NamedStream {
 public:
  PendingStream(ClientChannels& channels, StreamTarget target, std::string name);
  void attach(Channel& channel) override;

 private:
  StreamTarget target_;
};

// Opened by the server, whose peer says in SOCKS where to: -R without a target.
class ServerSocksStream final : public NamedStream {
 public:
  ServerSocksStream(ClientChannels& channels, std::vector<std::string> permitted, std::string name);
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_turn() override;

 private:
  void take_connection(UniqueFd socket);

  std::vector<std::string> permitted_;
  SocksParser parser_;
  std::vector<uint8_t> answer_;  // not sent yet
  UniqueFd socket_;
  bool asked_ = false;
  bool over_ = false;
};

// -W: standard input and output.
class StandardStream final : public NamedStream {
 public:
  StandardStream(ClientChannels& channels, uint32_t id, StreamEnds ends);
  ~StandardStream() override;
  void on_confirmed(Bytes) override;
  void on_refused(OpenFailure, std::string_view text) override;

 private:
  uint32_t id_;
  bool refused_ = false;
};

}  // namespace sluice
