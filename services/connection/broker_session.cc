// Requests out, answers to whom they concern.
#include "services/connection/broker_session.h"

#include <sys/epoll.h>

#include <algorithm>

#include "services/connection/connection_notes.h"

namespace sluice {
namespace {

BrokerCaller::Late& discard() {
  static BrokerCaller::Late how;
  return how;
}

}  // namespace

void BrokerSession::discard_with(BrokerCaller::Late how) { discard() = std::move(how); }

BrokerCaller::~BrokerCaller() { broker_.forget(*this); }

BrokerSession::~BrokerSession() {
  if (client_) host_.unwatch(client_->descriptor());
}

void BrokerSession::ask(const BrokerCaller& caller, BrokerRequest request, Then then) {
  const bool serve = refusal_.empty() && waiting_.size() < kMaxWaitingRequests;
  (serve ? waiting_ : unserved_).push_back({&caller, std::move(request), std::move(then)});
  if (!serve) host_.ask_turn();
  if (!asked_) {
    asked_ = true;
    SinkNote note;
    note.kind = static_cast<uint32_t>(ConnectionNote::want_broker);
    host_.tell_control(std::move(note));
  }
  send_waiting();
}

void BrokerSession::on_turn() {
  for (auto& waiting : std::exchange(unserved_, {})) {
    const std::string& why = refusal_.empty() ? "Too many requests at once" : refusal_;
    waiting.then({0, Failure{BrokerFault::gone, 0, why}, {}});
  }
  if (!client_) return;
  flush();
  if (client_->answers_itself()) on_ready(0);
}

void BrokerSession::tell(BrokerRequest request) {
  if (!client_ || !client_->alive()) return;
  if (const auto* close = std::get_if<CloseHandle>(&request); close != nullptr && waiting_.empty()) {
    client_->tell(*close);
    // In the next turn: behind what this one has to say to the peer, who waits for it.
    return host_.ask_turn();
  }
  waiting_.push_back({nullptr, std::move(request), [](BrokerReceived&&) {}});
  send_waiting();
}

void BrokerSession::await_exit(const BrokerCaller& caller, uint32_t child,
                               std::function<void(const ChildExited*)> then) {
  exits_[child] = {&caller, std::move(then)};
}

void BrokerSession::forget(const BrokerCaller& caller) {
  for (auto& [request, pending] : pending_) {
    if (pending.caller == &caller) pending = {nullptr, nullptr, caller.late_};
  }
  const auto is_his = [&](const Waiting& waiting) { return waiting.caller == &caller; };
  std::erase_if(waiting_, is_his);
  std::erase_if(unserved_, is_his);
  std::erase_if(exits_, [&](const auto& exit) { return exit.second.caller == &caller; });
}

void BrokerSession::take_link(UniqueFd link) {
  client_.emplace(std::move(link));
  host_.watch(client_->descriptor(), *this);
  send_waiting();
}

void BrokerSession::take_refusal(std::string_view why) {
  refusal_ = why.empty() ? "No broker" : why;
  unserved_.insert(unserved_.end(), std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
  waiting_.clear();
}

void BrokerSession::send_waiting() {
  if (!client_) return;
  while (!waiting_.empty() && client_->has_room()) {
    const auto number = client_->send(waiting_.front().request);
    if (!number) break;
    pending_[*number] = {waiting_.front().caller, std::move(waiting_.front().then)};
    waiting_.pop_front();
  }
  flush();
  // Answered in the next turn, of which nothing else may tell.
  if (client_->answers_itself()) host_.ask_turn();
}

// Of room it wants to hear only while it has none: else each packet that the broker takes would wake the worker.
void BrokerSession::flush() {
  if (client_->wants_write()) client_->flush();
  if (client_->wants_write() == waits_for_room_) return;
  waits_for_room_ = client_->wants_write();
  host_.unwatch(client_->descriptor());
  host_.watch(client_->descriptor(), *this);
}

void BrokerSession::on_ready(uint32_t events) {
  flush();
  const bool may_have_ended = (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0;
  while (auto received = client_->receive()) {
    take(std::move(*received));
    // After the last answer there is nothing to be found, and a later end is an edge of its own.
    if (events != 0 && !may_have_ended && !client_->awaits_answers() && exits_.empty()) break;
  }
  auto refused = client_->take_refused();
  if (!refused.empty() && discard()) discard()(std::move(refused));
  send_waiting();
}

void BrokerSession::take(BrokerReceived&& received) {
  if (received.request == 0) return take_event(received.answer);
  const auto found = pending_.find(received.request);
  if (found == pending_.end()) return;
  const Then then = std::move(found->second.then);
  const BrokerCaller::Late late = std::move(found->second.late);
  pending_.erase(found);
  if (then) {
    then(std::move(received));
  } else {
    give_back(received, late);
  }
}

void BrokerSession::take_event(const BrokerAnswer& event) {
  if (const auto* exited = std::get_if<ChildExited>(&event)) {
    if (const auto exit = exits_.extract(exited->child)) exit.mapped().then(exited);
    return;
  }
  // The broker's end. One at a time: whoever is told may forget others.
  while (!exits_.empty()) exits_.extract(exits_.begin()).mapped().then(nullptr);
  // As with sshd: who ends the user's process ends the connection. Its handles mean nothing to another one.
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::hang_up);
  note.id = static_cast<uint32_t>(ErrorCode::broker_gone);
  host_.tell_control(std::move(note));
}

// Its asker is gone: what the answer opened is closed again.
void BrokerSession::give_back(BrokerReceived& received, const BrokerCaller::Late& late) {
  if (const auto* opened = std::get_if<FileOpened>(&received.answer)) tell(CloseHandle{opened->handle});
  if (const auto* folder = std::get_if<DirectoryOpened>(&received.answer)) tell(CloseHandle{folder->handle});
  if (const auto* listening = std::get_if<Listening>(&received.answer)) tell(CloseHandle{listening->handle});
  if (const auto* spawned = std::get_if<Spawned>(&received.answer)) tell(SignalChild{spawned->child, "HUP"});
  if (late) late(std::move(received.descriptors));
}

}  // namespace sluice
