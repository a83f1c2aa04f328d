// Input that must wait is kept, bounded by the window; output waits in one string, bounded by what a client may cause.
#include "services/scp/scp_peer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/wire.h"

namespace sluice {

ScpPeer::ScpPeer(ConnectionServices& connection, ScpCommand command)
    : connection_(connection),
      log_(connection.part<TransferLog>()),
      command_(std::move(command)),
      jobs_(connection.login().user),
      throttle_(connection.budget()),
      memory_(connection.budget()),
      expander_(connection),
      caller_(connection.broker(), [user = connection.login().user](std::vector<UniqueFd>&& late) {
        for (UniqueFd& file : late) FileIoPool::shared().close(std::move(file), user);
      }) {}

void ScpPeer::attach(Channel& channel) {
  channel_ = &channel;
  jobs_.attach(channel);
  throttle_.attach(channel);
  expander_.expand(command_.paths, [this](std::optional<std::vector<std::string>> paths) {
    if (paths) {
      begin(std::move(*paths));
    } else {
      say_error("Argument list too long");
      end();
    }
    wake();
  });
}

void ScpPeer::on_data(std::span<const MutableBytes> pieces) {
  size_t total = 0;
  for (const MutableBytes& piece : pieces) total += piece.size();
  size_t taken = ending_ ? total : 0;
  if (!ending_ && kept_.empty() && waiting_.size() < kMaxScpWaiting) taken = take(pieces);
  if (ending_) taken = total;
  channel_->consumed(taken);
  for (const MutableBytes& piece : pieces) {
    const size_t gone = std::min(taken, piece.size());
    kept_.append(piece.subspan(gone));
    taken -= gone;
  }
}

void ScpPeer::take_kept() {
  while (!kept_.empty() && !ending_ && waiting_.size() < kMaxScpWaiting) {
    std::array<iovec, 16> places;
    std::array<MutableBytes, 16> pieces;
    const size_t count = kept_.front(places);
    for (size_t i = 0; i < count; ++i) pieces[i] = {static_cast<uint8_t*>(places[i].iov_base), places[i].iov_len};
    const size_t taken = take({pieces.data(), count});
    if (taken == 0) break;
    kept_.drop(taken);
    channel_->consumed(taken);
  }
  if (ending_) channel_->consumed(kept_.clear());
  if (eof_received_ && kept_.empty() && !ending_) on_lost();
}

void ScpPeer::on_eof() {
  eof_received_ = true;
  take_kept();
}

void ScpPeer::on_close() {
  ending_ = closed_ = true;
  kept_.clear();
  let_go();
}

void ScpPeer::let_go() {
  release();
  jobs_.leave();
  throttle_.leave();
  memory_.release_all();
}

void ScpPeer::wake() { channel_->ask_turn(); }

void ScpPeer::on_turn() {
  if (closed_) return;
  for (auto& job : jobs_.take()) take_job(std::move(job));
  flush();
  take_kept();
  start_jobs();
  flush();
  if (!waiting_.empty()) return;
  if (!ending_) send();
  flush();
  if (!ending_ || !waiting_.empty()) return;
  closed_ = true;
  let_go();
  channel_->send_eof();
  channel_->request("exit-status", false, WireWriter().u32(errors_ == 0 ? 0 : 1).view());
  channel_->close();
}

void ScpPeer::flush() {
  while (!waiting_.empty()) {
    const auto draft = channel_->reserve(waiting_.size());
    if (!draft) return;
    std::memcpy(draft->data.data(), waiting_.data(), draft->data.size());
    channel_->finish(*draft, draft->data.size());
    waiting_.erase(0, draft->data.size());
  }
}

void ScpPeer::say_error(std::string_view text) {
  ++errors_;
  waiting_.append("\1scp: ").append(printable(text)).append("\n");
}

void ScpPeer::say_error(std::string_view path, std::string_view why) {
  say_error(std::string(path).append(": ").append(why));
}

void ScpPeer::say_refused(std::string_view path, std::string_view why) {
  log_.refused("scp", command_.sink ? "put" : "get", path, "", why);
  say_error(path, why);
}

void ScpPeer::end() { ending_ = true; }

void ScpPeer::ask(BrokerRequest request, BrokerSession::Then then) {
  connection_.broker().ask(caller_, std::move(request), [this, then = std::move(then)](BrokerReceived&& received) {
    if (closed_) return give_back(std::move(received));
    then(std::move(received));
    wake();
  });
}

void ScpPeer::give_back(BrokerReceived&& received) {
  const BrokerAnswer& answer = received.answer;
  if (const auto* file = std::get_if<FileOpened>(&answer)) connection_.broker().tell(CloseHandle{file->handle});
  if (const auto* folder = std::get_if<DirectoryOpened>(&answer))
    connection_.broker().tell(CloseHandle{folder->handle});
  for (UniqueFd& file : received.descriptors) FileIoPool::shared().close(std::move(file), owner());
}

std::shared_ptr<HandleGrant> ScpPeer::take_handle(std::string_view& why) const {
  why = "too many files wait for their server to close them";
  if (FileIoPool::shared().owes_closes(owner())) return nullptr;
  why = "too many open files";
  return HandleGrant::take(connection_.budget());
}

void ScpPeer::log_transfer(std::string_view path, uint64_t bytes, uint64_t opened_ns, std::string_view fault) {
  const std::string figures = (command_.sink ? " written " : " read ") + std::to_string(bytes);
  log_.ended("scp", {command_.sink ? "put" : "get", path, figures, opened_ns, fault.empty() ? "ok" : fault});
}

std::string why_not(const BrokerAnswer& answer) {
  const auto* failure = std::get_if<Failure>(&answer);
  return failure ? failure->text : "Unknown error";
}

std::string why_not(int system_error) {
  const char* text = ::strerrordesc_np(system_error);
  return text ? text : "Unknown error";
}

}  // namespace sluice
