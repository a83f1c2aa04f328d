// RemoteSide: a server's end, over one connection or several to the same host.
#pragma once

#include <atomic>

#include "services/copy/copy_side.h"

namespace sluice {

class RemoteSide final : public CopySide {
 public:
  // Another connection, asking nobody; nothing: there can be none. Called by any thread, and waits.
  using More = std::function<std::shared_ptr<SftpClient>()>;

  RemoteSide(std::shared_ptr<SftpClient> first, SftpServerFacts facts, More more)
      : clients_{std::move(first)}, facts_(std::move(facts)), more_(std::move(more)) {}

  RemoteSide* remote() override { return this; }
  SftpResult<SftpAttributes> look(const std::string& path, bool follow) override;
  SftpResult<void> list(const std::string& path, const std::function<bool(SftpName&&)>& each) override;
  SftpResult<void> make_directory(const std::string& path, uint32_t mode) override;
  SftpResult<void> make_symlink(const std::string& target, const std::string& path) override;
  SftpResult<std::string> read_link(const std::string& path) override;
  SftpResult<void> replace(const std::string& from, const std::string& to,
                           const std::vector<std::string>& removed = {}) override;
  SftpResult<void> remove(const std::string& path) override;
  SftpResult<void> change(const std::string& path, const SftpAttributes& wanted) override;
  SftpResult<std::vector<uint8_t>> read_small(const std::string& path, size_t most) override;
  SftpResult<void> write_small(const std::string& path, Bytes content) override;

  SftpResult<std::string> real_path(const std::string& path);
  SftpResult<std::vector<uint8_t>> open(SftpClient& client, const std::string& path, uint32_t flags,
                                        const SftpAttributes& wanted = {});
  struct Opened {
    SftpResult<SftpAttributes> there;  // a link itself, before it was opened
    SftpResult<std::vector<uint8_t>> handle;
  };
  // In one round trip; of an ordered server only.
  Opened look_and_open(SftpClient& client, const std::string& path, uint32_t flags, const SftpAttributes& wanted);
  // Closes, and waits for no answer.
  static void forget(SftpClient& client, std::vector<uint8_t> handle);
  const SftpServerFacts& facts() const { return facts_; }
  // Those that live; the first that ever was, where none does.
  std::vector<std::shared_ptr<SftpClient>> clients() const;
  std::shared_ptr<SftpClient> client() const { return clients().front(); }
  // False: there can be no more.
  bool grow();
  // The newest one is not worth its while.
  void shrink();

 private:
  SftpResult<SftpAnswer> ask(SftpCall call) const { return client()->ask(std::move(call)); }
  SftpResult<void> do_ask(const std::string& about, SftpCall call) const;
  // All at once where the server keeps their order: the answers in it.
  std::vector<SftpResult<SftpAnswer>> ask_all(SftpClient& client, std::vector<SftpCall> calls) const;

  mutable std::mutex lock_;
  std::vector<std::shared_ptr<SftpClient>> clients_;
  SftpServerFacts facts_;
  More more_;
};

// The fault with what it is about in front.
tl::unexpected<SftpFault> about(std::string_view what, SftpFault fault);

}  // namespace sluice
