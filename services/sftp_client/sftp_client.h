// SftpClient: the handle to an SftpEngine for threads that are not its worker; and Mailbox, where answers wait for
// them.
//
// Posts go through one bounded queue. Everything that was asked is answered once; when the connection is gone, by a
// fault that says so.
#pragma once

#include <condition_variable>
#include <mutex>

#include "services/sftp_client/sftp_engine.h"

namespace sluice {

// Continuations for one thread that waits for them.
class Mailbox {
 public:
  void push(std::function<void()> what);
  // Runs what has come; waits for something at most so long. False: nothing came.
  bool run(int wait_ms);

 private:
  std::mutex lock_;
  std::condition_variable filled_;
  std::deque<std::function<void()>> waiting_;
};

class SftpClient : public std::enable_shared_from_this<SftpClient> {
 public:
  // Null: the engine is gone.
  using Post = std::function<void(SftpEngine*)>;
  using Then = SftpEngine::Then;
  using Done = SftpEngine::Done;

  static std::shared_ptr<SftpClient> create() { return std::shared_ptr<SftpClient>(new SftpClient); }
  // What runs in the session channel, once.
  std::unique_ptr<Service> make_service(SftpStart start = {});
  // For a connection of its own: opens that channel, and refuses what the server opens.
  std::unique_ptr<ChannelOpener> make_opener(SftpStart start = {});

  // Until the server has told its version. By any thread but the worker, as all that follows.
  SftpResult<SftpServerFacts> wait_ready();
  // And its limits, where it has any to tell.
  SftpResult<SftpServerFacts> wait_limits();
  // Waits while too much waits.
  void post(Post what);
  void ask(SftpCall call, std::shared_ptr<Mailbox> mailbox, Then then);
  std::shared_ptr<SftpTransfer> start(TransferOrder order, std::shared_ptr<Mailbox> mailbox, Done done);
  // These wait.
  SftpResult<SftpAnswer> ask(SftpCall call);
  TransferEnd move(TransferOrder order);
  void close();
  bool gone() const;
  SftpFault why_gone() const;

 private:
  friend class SftpEngine;
  SftpClient();

  // The engine's side, on its worker.
  int descriptor() const { return event_.get(); }
  std::vector<Post> take_posts();
  void tell_ready(const SftpServerFacts& facts, bool limits);
  void tell_gone(SftpFault why);

  UniqueFd event_;
  mutable std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Post> posts_;
  std::optional<SftpServerFacts> facts_;
  bool limits_ = false;  // are in them
  std::optional<SftpFault> gone_;
};

}  // namespace sluice
