// A logged-in client's global requests: the server's host keys, keepalives of both sides, the application's own.
#include "base/log.h"
#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/client_connection.h"
#include "control/keys/host_key_proof.h"

namespace sluice {

bool ClientConnection::request(std::string_view name, Bytes body, AwaitedReplies::Then then) {
  if (!replies_.await(guarded(std::move(then)))) return false;
  machine_->send(global_request(name, true, body));
  return true;
}

// keepalive@openssh.com among them: a refusal is the answer that it wants.
void ClientConnection::take_global_request(Bytes payload) {
  const auto asked = parse_global_request(payload);
  if (!asked) return machine_->fail_with(asked.error());
  if (asked->name == kHostKeysAnnounced) take_announcement(asked->data);
  if (asked->wants_reply) machine_->send({kMsgRequestFailure});
}

// --- Host keys

void ClientConnection::take_announcement(Bytes body) {
  // Only a host that was known beforehand may say what else it is called by; and it says so once.
  if (updater_ == nullptr || !host_trusted_ || std::exchange(announcement_seen_, true)) return;
  auto announced = parse_announcement(body, host_key_);
  if (!announced) return updater_->on_host_keys_refused(announced.error());
  auto news = std::make_shared<HostKeyNews>();
  run_slow([policy = policy_, news,
            announced = std::move(*announced)] { *news = compare_host_keys(announced, policy->known()); },
           [this, news] {
             if (!news->fresh.empty()) return ask_proofs(news);
             // What is left out needs no proof: the key in use, which is known, says so.
             if (!news->gone.empty()) updater_->on_host_keys(*news);
           });
}

void ClientConnection::ask_proofs(const std::shared_ptr<HostKeyNews>& news) {
  const auto body = proofs_wanted(news->fresh);
  if (!request(kHostKeysProve, body, [this, news](std::optional<Bytes> answer) { take_proofs(news, answer); })) {
    log_line(LogLevel::warning, "host keys stay as they are: too many requests wait for answers");
  }
}

void ClientConnection::take_proofs(const std::shared_ptr<HostKeyNews>& news, std::optional<Bytes> answer) {
  if (!answer) return updater_->on_host_keys_refused("the server proved none of its host keys");
  auto verdict = std::make_shared<ResultOrText<void>>();
  const Bytes session = machine_->session_id();
  run_slow([news, verdict, answer = std::vector<uint8_t>(answer->begin(), answer->end()),
            session = std::vector<uint8_t>(session.begin(),
                                           session.end())] { *verdict = check_proofs(answer, news->fresh, session); },
           [this, news, verdict] {
             if (!*verdict) return updater_->on_host_keys_refused(verdict->error());
             updater_->on_host_keys(*news);
           });
}

// --- Keepalives

void ClientConnection::stay_alive() {
  const uint64_t heard = activity_->messages.load(std::memory_order_relaxed);
  if (std::exchange(heard_, heard) != heard) {
    // Whatever came says that the server is there: its answer may be behind megabytes of data.
    unanswered_ = 0;
  } else if (unanswered_ >= config_.alive_count_max) {
    return give_up({FailureKind::server_silent, "Timeout, server " + config_.host + " not responding."},
                   Disconnect::connection_lost);
  } else {
    ++unanswered_;
    request(kKeepalive, {}, [](std::optional<Bytes>) {});
  }
  loop_.after(config_.alive_interval_ms, guarded([this] { stay_alive(); }));
}

}  // namespace sluice
