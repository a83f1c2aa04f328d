// SingleChannel: a connection's opener for a client that wants one channel and is asked for none.
#pragma once

#include <string>

#include "dataplane/channel.h"

namespace sluice {

class SingleChannel final : public ChannelOpener {
 public:
  // `extra`: what follows the packet size in CHANNEL_OPEN; "session" has nothing there.
  SingleChannel(std::string type, std::unique_ptr<Service> service, std::vector<uint8_t> extra = {})
      : type_(std::move(type)), extra_(std::move(extra)), service_(std::move(service)) {}

  // The first channel of a connection is always granted here; the server has its say in on_confirmed or on_refused.
  void attach(ChannelHost& host) override { host.open(type_, extra_, std::move(service_)); }
  OpenDecision open(std::string_view, Bytes) override {
    return {nullptr, false, {OpenFailure::administratively_prohibited, "nothing is forwarded here"}};
  }

 private:
  std::string type_;
  std::vector<uint8_t> extra_;
  std::unique_ptr<Service> service_;
};

}  // namespace sluice
