// Calls and their answers.
#include "services/copy/remote_side.h"

#include <algorithm>

namespace sluice {
namespace {

// One READ or WRITE of it.
constexpr size_t kMostSmall = 32 * 1024;
constexpr int kWaitMs = 1000;

}  // namespace

tl::unexpected<SftpFault> about(std::string_view what, SftpFault fault) {
  if (fault.kind != SftpFault::Kind::lost) fault.text = fit_for_terminal(what) + ": " + fault.text;
  return tl::unexpected<SftpFault>(std::move(fault));
}

std::vector<std::shared_ptr<SftpClient>> RemoteSide::clients() const {
  const std::lock_guard held(lock_);
  std::vector<std::shared_ptr<SftpClient>> alive;
  for (const auto& client : clients_) {
    if (!client->gone()) alive.push_back(client);
  }
  if (alive.empty()) alive.push_back(clients_.front());
  return alive;
}

bool RemoteSide::grow() {
  auto made = more_ ? more_() : nullptr;
  if (!made || !made->wait_ready()) return false;
  const std::lock_guard held(lock_);
  clients_.push_back(std::move(made));
  return true;
}

void RemoteSide::shrink() {
  const std::lock_guard held(lock_);
  if (clients_.size() > 1) clients_.pop_back();
}

SftpResult<void> RemoteSide::do_ask(const std::string& path, SftpCall call) const {
  auto answer = ask(std::move(call));
  auto done = answer ? sftp_answer::done(*answer) : tl::unexpected<SftpFault>(std::move(answer.error()));
  if (!done) return about(path, std::move(done.error()));
  return {};
}

std::vector<SftpResult<SftpAnswer>> RemoteSide::ask_all(SftpClient& client, std::vector<SftpCall> calls) const {
  std::vector<SftpResult<SftpAnswer>> answers(calls.size());
  const auto mailbox = std::make_shared<Mailbox>();
  size_t waited_for = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    ++waited_for;
    client.ask(std::move(calls[i]), mailbox, [&answers, &waited_for, i](SftpResult<SftpAnswer> answer) {
      answers[i] = std::move(answer);
      --waited_for;
    });
    const bool more = facts_.ordered && i + 1 < calls.size();
    while (waited_for > 0 && !more) mailbox->run(kWaitMs);
  }
  return answers;
}

RemoteSide::Opened RemoteSide::look_and_open(SftpClient& client, const std::string& path, uint32_t flags,
                                             const SftpAttributes& wanted) {
  auto answers = ask_all(client, {sftp_call::lstat(path), sftp_call::open(path, flags, wanted)});
  return {std::move(answers[0]).and_then(sftp_answer::attributes), std::move(answers[1]).and_then(sftp_answer::handle)};
}

void RemoteSide::forget(SftpClient& client, std::vector<uint8_t> handle) {
  client.post([handle = std::move(handle)](SftpEngine* engine) {
    if (engine) engine->ask(sftp_call::close(handle), [](SftpResult<SftpAnswer>) {});
  });
}

SftpResult<SftpAttributes> RemoteSide::look(const std::string& path, bool follow) {
  auto answer = ask(follow ? sftp_call::stat(path) : sftp_call::lstat(path));
  if (!answer) return about(path, std::move(answer.error()));
  auto found = sftp_answer::attributes(*answer);
  if (!found) return about(path, std::move(found.error()));
  return found;
}

SftpResult<std::string> RemoteSide::real_path(const std::string& path) {
  auto answer = ask(sftp_call::realpath(path));
  if (!answer) return about(path, std::move(answer.error()));
  auto found = sftp_answer::path(*answer);
  if (!found) return about(path, std::move(found.error()));
  return found;
}

SftpResult<std::vector<uint8_t>> RemoteSide::open(SftpClient& client, const std::string& path, uint32_t flags,
                                                  const SftpAttributes& wanted) {
  auto answer = client.ask(sftp_call::open(path, flags, wanted));
  if (!answer) return about(path, std::move(answer.error()));
  auto handle = sftp_answer::handle(*answer);
  if (!handle) return about(path, std::move(handle.error()));
  return handle;
}

SftpResult<void> RemoteSide::list(const std::string& path, const std::function<bool(SftpName&&)>& each) {
  const auto client = this->client();
  auto answer = client->ask(sftp_call::opendir(path));
  if (!answer) return about(path, std::move(answer.error()));
  const auto handle = sftp_answer::handle(*answer);
  if (!handle) return about(path, handle.error());
  SftpResult<void> result;
  for (bool more = true; more;) {
    auto batch = client->ask(sftp_call::readdir(*handle));
    auto names = batch ? sftp_answer::names(*batch) : tl::unexpected<SftpFault>(std::move(batch.error()));
    // Without a name in it this would be no end and go on for ever.
    if (names && *names && (*names)->empty())
      names = sftp_fault(SftpFault::Kind::protocol, "The server lists nothing, and no end");
    if (!names) {
      result = about(path, std::move(names.error()));
      break;
    }
    if (!*names) break;
    for (SftpName& name : **names) {
      if (name.name == "." || name.name == "..") continue;
      more = more && each(std::move(name));
    }
  }
  (void)client->ask(sftp_call::close(*handle));
  return result;
}

SftpResult<void> RemoteSide::make_directory(const std::string& path, uint32_t mode) {
  SftpAttributes wanted;
  wanted.mode = mode & 07777u;
  auto made = do_ask(path, sftp_call::mkdir(path, wanted));
  if (made || made.error().kind != SftpFault::Kind::refused) return made;
  // Servers do not say that it exists.
  const auto found = look(path, true);
  if (found && found->is_directory()) return {};
  return made;
}

SftpResult<void> RemoteSide::make_symlink(const std::string& target, const std::string& path) {
  const auto call = [&] {
    return facts_.link_first ? sftp_call::symlink(path, target) : sftp_call::symlink(target, path);
  };
  auto made = do_ask(path, call());
  if (made || made.error().kind != SftpFault::Kind::refused) return made;
  if (!do_ask(path, sftp_call::remove(path))) return made;
  return do_ask(path, call());
}

SftpResult<std::string> RemoteSide::read_link(const std::string& path) {
  auto answer = ask(sftp_call::readlink(path));
  if (!answer) return about(path, std::move(answer.error()));
  auto found = sftp_answer::path(*answer);
  if (!found) return about(path, std::move(found.error()));
  return found;
}

SftpResult<void> RemoteSide::replace(const std::string& from, const std::string& to,
                                     const std::vector<std::string>& removed) {
  std::vector<SftpCall> calls;
  for (const std::string& name : removed) calls.push_back(sftp_call::remove(name));
  const bool at_once = facts_.has("posix-rename@openssh.com");
  if (at_once) calls.push_back(sftp_call::posix_rename(from, to));
  auto answers = ask_all(*client(), std::move(calls));
  if (at_once) {
    auto renamed = std::move(answers.back()).and_then(sftp_answer::done);
    if (!renamed) return about(to, std::move(renamed.error()));
    return {};
  }
  auto moved = do_ask(to, sftp_call::rename(from, to));
  if (moved || moved.error().kind != SftpFault::Kind::refused) return moved;
  // Section 6.5: it may not be there. For a moment nothing is; the whole file is under its other name.
  if (!do_ask(to, sftp_call::remove(to))) return moved;
  return do_ask(to, sftp_call::rename(from, to));
}

SftpResult<void> RemoteSide::remove(const std::string& path) { return do_ask(path, sftp_call::remove(path)); }

SftpResult<void> RemoteSide::change(const std::string& path, const SftpAttributes& wanted) {
  return do_ask(path, sftp_call::setstat(path, wanted));
}

SftpResult<std::vector<uint8_t>> RemoteSide::read_small(const std::string& path, size_t most) {
  const auto client = this->client();
  auto handle = open(*client, path, kSftpRead);
  if (!handle) return tl::unexpected<SftpFault>(std::move(handle.error()));
  std::vector<uint8_t> content;
  SftpResult<void> result;
  while (content.size() < most) {
    const auto length = static_cast<uint32_t>(std::min(most - content.size(), kMostSmall));
    auto answer = client->ask(sftp_call::read(*handle, content.size(), length));
    auto data = answer ? sftp_answer::data(*answer) : tl::unexpected<SftpFault>(std::move(answer.error()));
    if (!data && data.error().kind == SftpFault::Kind::refused && data.error().status == SftpStatus::eof) break;
    if (!data || data->empty() || data->size() > length) {
      result = data ? sftp_fault(SftpFault::Kind::protocol, "Data of a wrong length") : about(path, data.error());
      break;
    }
    content.insert(content.end(), data->begin(), data->end());
  }
  (void)client->ask(sftp_call::close(*handle));
  if (!result) return tl::unexpected<SftpFault>(std::move(result.error()));
  return content;
}

SftpResult<void> RemoteSide::write_small(const std::string& path, Bytes content) {
  const auto client = this->client();
  const std::string fresh = path + ".new";
  SftpAttributes wanted;
  wanted.mode = 0600;
  auto handle = open(*client, fresh, kSftpWrite | kSftpCreate | kSftpTruncate, wanted);
  if (!handle) return tl::unexpected<SftpFault>(std::move(handle.error()));
  SftpResult<void> result;
  std::vector<SftpCall> calls;
  for (size_t at = 0; at < content.size(); at += kMostSmall)
    calls.push_back(sftp_call::write(*handle, at, content.subspan(at, std::min(kMostSmall, content.size() - at))));
  calls.push_back(sftp_call::close(*handle));
  for (auto& answer : ask_all(*client, std::move(calls))) {
    auto done = std::move(answer).and_then(sftp_answer::done);
    if (!done && result) result = about(path, std::move(done.error()));
  }
  if (!result) return result;
  return replace(fresh, path);
}

}  // namespace sluice
