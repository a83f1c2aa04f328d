// Forwards: a link's forwarded ports and sockets, both ways: begun, ended, counted. On control's thread.
#pragma once

#include <functional>
#include <vector>

#include "apps/sluice/link_channels.h"

namespace sluice {

class Forwards {
 public:
  // How it went: the port that listens, 0 for a path; or why not.
  using Then = std::function<void(ResultOrText<uint32_t>)>;

  Forwards(LinkChannels& channels, const SessionWishes& wishes) : channels_(channels), wishes_(wishes) {}
  ~Forwards() { remove_paths(); }

  void begin(const ForwardSpec& spec, Then then);
  void end(const ForwardSpec& spec, Then then);
  bool has(const ForwardSpec& spec) const;
  // Sockets of ours with a name: nobody is to find them when we are gone.
  void remove_paths() const;

 private:
  struct Running {
    ForwardSpec spec;
    std::vector<uint32_t> listeners;  // of a local one
    uint32_t port = 0;                // of a remote one, as it was given
  };
  void begin_local(const ForwardSpec& spec, const Then& then);
  void begin_remote(const ForwardSpec& spec, const Then& then);

  LinkChannels& channels_;
  const SessionWishes& wishes_;
  std::vector<Running> running_;
};

}  // namespace sluice
