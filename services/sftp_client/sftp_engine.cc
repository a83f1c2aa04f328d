// The channel's life, calls and their answers, and what is common to transfers.
#include "services/sftp_client/sftp_engine.h"

#include <sys/timerfd.h>

#include <algorithm>

#include "base/clock.h"
#include "services/sftp_client/sftp_client.h"

namespace sluice {
namespace {

// Calls that are out at once: as many as servers keep in mind without stopping to read.
constexpr size_t kMostAsks = 192;
// Requests of all kinds: an id is a slot's number and its generation.
constexpr uint32_t kSlotBits = 12;
constexpr size_t kMostSlots = size_t{1} << kSlotBits;
// Of what came on standard error.
constexpr size_t kMostComplaint = 1024;
constexpr uint64_t kSecond = 1'000'000'000;

SftpFault lost(std::string text) { return sftp_fault(SftpFault::Kind::lost, std::move(text)).value(); }
SftpFault nonsense(std::string_view what) {
  return sftp_fault(SftpFault::Kind::protocol, std::string("The server broke the SFTP protocol: ").append(what))
      .value();
}

}  // namespace

SftpEngine::SftpEngine(std::shared_ptr<SftpClient> client, SftpStart start)
    : client_(std::move(client)), start_(std::move(start)) {}

SftpEngine::~SftpEngine() { end(lost("Connection lost")); }

void SftpEngine::attach(Channel& channel) {
  channel_ = &channel;
  if (!channel.watch(client_->descriptor(), *this)) end(lost("No descriptor is left"));
}

void SftpEngine::on_confirmed(Bytes) {
  for (const auto& [name, value] : start_.environment)
    channel_->request("env", false, WireWriter().string(name).string(value).view());
  channel_->request(start_.command ? "exec" : "subsystem", true, WireWriter().string(start_.name).view());
  // Round trips are dear: what comes first follows at once, and is nobody's where the program is refused.
  opened_ = true;
  outbox_.add(WireWriter().u32(5).u8(static_cast<uint8_t>(SftpType::init)).u32(kSftpVersion).take());
  channel_->ask_turn();
}

void SftpEngine::on_refused(OpenFailure, std::string_view text) {
  end(lost("The server refused the channel: " + fit_for_terminal(text, 256)));
}

void SftpEngine::on_reply(bool success) {
  if (started_ || over_) return;
  if (!success)
    return end(lost(start_.command ? "The server refused the command"
                                   : "The server has no subsystem " + start_.name + " (is sftp enabled there?)"));
  started_ = true;
}

RequestAnswer SftpEngine::on_request(const ChannelRequest& request) {
  if (request.name == "exit-status" || request.name == "exit-signal") return RequestAnswer::success;
  return RequestAnswer::failure;
}

void SftpEngine::on_stderr(Bytes data) {
  const std::string_view text = text_of(data);
  complaint_ += text.substr(0, kMostComplaint - std::min(complaint_.size(), kMostComplaint));
  channel_->consumed(data.size());
}

void SftpEngine::on_close() {
  if (over_) return;
  while (!complaint_.empty() && (complaint_.back() == '\n' || complaint_.back() == '\r')) complaint_.pop_back();
  end(lost(complaint_.empty() ? "The server closed the SFTP session" : fit_for_terminal(complaint_, 512)));
}

void SftpEngine::close() {
  if (over_) return;
  end(lost("Closed"));
}

// Whatever waits hears of it; the channel is closed.
void SftpEngine::end(SftpFault fault) {
  if (over_) return;
  over_ = true;
  if (!complaint_.empty() && !ready_ && fault.kind != SftpFault::Kind::refused)
    fault.text += ": " + fit_for_terminal(complaint_, 512);
  if (port_) channel_->unwatch(port_->descriptor());
  port_.reset();
  if (timer_) channel_->unwatch(timer_.get());
  timer_.reset();
  gather_.clear();
  open_write_ = {};
  auto pending = std::move(pending_);
  auto waiting = std::move(waiting_);
  auto running = std::move(running_);
  pending_.clear();
  waiting_.clear();
  running_.clear();
  outbox_.clear();
  // First: whoever hears of its own end asks whether all has ended.
  client_->tell_gone(fault);
  for (Pending& one : pending) {
    if (one.kind == Pending::Kind::ask) one.then(tl::unexpected<SftpFault>(fault));
  }
  for (WaitingAsk& one : waiting) one.then(tl::unexpected<SftpFault>(fault));
  for (auto& one : running) one->done({one->transfer->moved(), one->fault ? one->fault : fault, {}});
  if (!channel_) return;
  channel_->unwatch(client_->descriptor());
  channel_->send_eof();
  channel_->close();
}

void SftpEngine::ask(SftpCall call, Then then) {
  if (over_) return then(tl::unexpected<SftpFault>(client_->why_gone()));
  waiting_.push_back({std::move(call), std::move(then)});
  if (channel_) channel_->ask_turn();
}

void SftpEngine::start(std::shared_ptr<SftpTransfer> transfer, Done done) {
  if (over_) return done({0, client_->why_gone()});
  auto run = std::make_unique<Running>();
  run->kind = kind_of(transfer->order().file->get());
  run->end = transfer->order().length;
  run->transfer = std::move(transfer);
  run->done = std::move(done);
  if (run->put() && (run->end == TransferOrder::kToTheEnd || run->kind == FileKind::stream))
    run->fault = sftp_fault(SftpFault::Kind::local, "Not a regular file").value();
  running_.push_back(std::move(run));
  if (channel_) channel_->ask_turn();
}

SftpEngine::Pending* SftpEngine::find(uint32_t id) {
  const uint32_t slot = id & (kMostSlots - 1);
  if (slot >= pending_.size()) return nullptr;
  Pending& found = pending_[slot];
  return found.kind != Pending::Kind::free && found.generation == id >> kSlotBits ? &found : nullptr;
}

uint32_t SftpEngine::open_pending(Pending::Kind kind, Running* run, uint64_t offset, uint32_t length) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(pending_.size()));
    pending_.emplace_back();
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  Pending& pending = pending_[slot];
  pending.kind = kind;
  pending.run = run;
  pending.offset = offset;
  pending.length = length;
  pending.sent_ns = monotonic_clock().now_ns();
  if (run) {
    ++run->unanswered;
    ++requests_out_;
    flight_.sent(length, pending.sent_ns);
  } else {
    ++asks_out_;
  }
  return slot | pending.generation << kSlotBits;
}

void SftpEngine::close_pending(Pending& pending, uint32_t id) {
  const uint64_t now = monotonic_clock().now_ns();
  if (pending.run) {
    --pending.run->unanswered;
    --requests_out_;
    flight_.answered(pending.length, pending.sent_ns, now);
  } else {
    --asks_out_;
    flight_.took(now - pending.sent_ns);
  }
  free_pending(pending, id);
}

void SftpEngine::unmake_pending(uint32_t id) {
  Pending& pending = *find(id);
  --pending.run->unanswered;
  --requests_out_;
  flight_.unsent(pending.length);
  free_pending(pending, id);
}

void SftpEngine::free_pending(Pending& pending, uint32_t id) {
  pending.kind = Pending::Kind::free;
  pending.run = nullptr;
  pending.then = {};
  pending.generation = (pending.generation + 1) & ((1u << (32 - kSlotBits)) - 1);
  free_.push_back(id & (kMostSlots - 1));
}

bool SftpEngine::on_answer(SftpType type, uint32_t id, Bytes body) {
  if (over_) return false;
  if (!ready_ && type == SftpType::version) return take_version(id, body);
  Pending* pending = find(id);
  if (!pending) return end(nonsense("an answer to nothing that was asked")), false;
  if (pending->kind == Pending::Kind::ask) {
    Then then = std::move(pending->then);
    close_pending(*pending, id);
    then(SftpAnswer{type, {body.begin(), body.end()}});
    return !over_;
  }
  Running& run = *pending->run;
  const uint64_t offset = pending->offset;
  const uint32_t length = pending->length;
  const bool read = pending->kind == Pending::Kind::read;
  close_pending(*pending, id);
  if (type != SftpType::status) return end(nonsense("an answer of another kind than was asked for")), false;
  const SftpAnswer answer{type, {body.begin(), body.end()}};
  auto told = sftp_answer::done(answer);
  if (told && read) return end(nonsense("a READ that was answered without data")), false;
  if (told) {
    // What came late of a transfer that failed is in the file all the same.
    run.transfer->moved_.fetch_add(length, std::memory_order_relaxed);
    if (run.transfer->order().acknowledged) run.transfer->order().acknowledged(offset, length);
  } else if (read && told.error().status == SftpStatus::eof) {
    take_end_of_file(run, offset);
  } else if (!run.fault) {
    run.fault = std::move(told.error());
  }
  return true;
}

bool SftpEngine::take_version(uint32_t version, Bytes body) {
  auto facts = read_version(version, body);
  if (!facts) return end(facts.error()), false;
  if (!facts_.extensions.empty() || ready_) return end(nonsense("a second VERSION")), false;
  facts_ = std::move(*facts);
  ready_ = true;
  client_->tell_ready(facts_, false);
  if (!facts_.has("limits@openssh.com")) return set_limits(), true;
  waiting_.push_front({sftp_call::limits(), [this](SftpResult<SftpAnswer> answer) {
                         // A server that does not answer its own extension keeps the cautious sizes.
                         if (answer) (void)sftp_answer::limits(*answer, facts_);
                         if (!over_) set_limits();
                       }});
  channel_->ask_turn();
  return true;
}

void SftpEngine::set_limits() {
  if (start_.most_request > 0) {
    facts_.most_read = std::min(start_.most_request, kMaxSftpData);
    facts_.most_write = std::min(start_.most_request, kMaxSftpData);
  }
  served_ = true;
  client_->tell_ready(facts_, true);
}

void SftpEngine::on_data(std::span<const MutableBytes> pieces) {
  if (over_) return;
  size_t total = 0;
  for (const MutableBytes piece : pieces) {
    total += piece.size();
    if (!reader_.feed(piece) && !over_) end(nonsense("a packet that is no packet"));
    if (over_) return;
  }
  flush_gather();
  if (over_) return;
  channel_->consumed(total - std::exchange(held_, 0));
  end_transfers();
}

void SftpEngine::send_asks() {
  while (!waiting_.empty() && asks_out_ < kMostAsks && (!free_.empty() || pending_.size() < kMostSlots)) {
    WaitingAsk ask = std::move(waiting_.front());
    waiting_.pop_front();
    const uint32_t id = open_pending(Pending::Kind::ask, nullptr, 0, 0);
    find(id)->then = std::move(ask.then);
    const auto length = static_cast<uint32_t>(5 + ask.call.body.size());
    outbox_.add(
        WireWriter().u32(length).u8(static_cast<uint8_t>(ask.call.type)).u32(id).raw(Bytes(ask.call.body)).take());
  }
}

void SftpEngine::on_turn() {
  if (over_ || !channel_) return;
  if (std::exchange(woken_, false)) {
    for (auto& post : client_->take_posts()) {
      post(this);
    }
    if (over_) return;
    take_jobs();
    timer_set_ = false;
  }
  if (!opened_ || over_) return;
  moved_ = 0;
  DraftStream stream(*channel_);
  bool again = false;
  if (open_write_.left == 0 || finish_open_write(stream)) {
    send_asks();
    if (served_) send_gets();
    outbox_.send(stream);
    if (outbox_.empty() && served_) again = send_puts(stream);
    again = ask_behind() || again;
  }
  again = again || stream.full();
  stream.close();
  end_transfers();
  if (again && !over_) channel_->ask_turn();
}

bool SftpEngine::may_request() const {
  return flight_.has_room() && (!free_.empty() || pending_.size() < kMostSlots) &&
         (start_.most_requests == 0 || requests_out_ < start_.most_requests);
}

bool SftpEngine::may_move(const Running& run) {
  const auto& limit = run.transfer->order().limit;
  const uint64_t wait = limit ? limit->wait_ns(monotonic_clock().now_ns()) : 0;
  if (wait == 0) return true;
  if (timer_set_) return false;
  if (!timer_) {
    timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (timer_ && !channel_->watch(timer_.get(), *this)) timer_.reset();
  }
  const itimerspec when{{}, {static_cast<time_t>(wait / kSecond), static_cast<long>(wait % kSecond)}};
  timer_set_ = timer_ && ::timerfd_settime(timer_.get(), 0, &when, nullptr) == 0;
  if (!timer_set_) channel_->ask_turn();
  return false;
}

// Of puts whose last byte is in the stream. A run outlives its answers: its end waits for them.
bool SftpEngine::ask_behind() {
  bool asked = false;
  for (const auto& run : running_) {
    const auto& calls = run->transfer->order().behind;
    if (calls.empty() || !run->behind.empty() || run->stopped() || run->next < run->end || open_write_.left > 0)
      continue;
    run->behind.resize(calls.size());
    run->behind_out = calls.size();
    for (size_t i = 0; i < calls.size(); ++i) {
      waiting_.push_back({calls[i], [one = run.get(), i](SftpResult<SftpAnswer> answer) {
                            one->behind[i] = std::move(answer).and_then(sftp_answer::done);
                            --one->behind_out;
                          }});
    }
    asked = true;
  }
  return asked;
}

bool SftpEngine::is_over(const Running& run) const {
  if (run.unanswered > 0 || run.behind_out > 0 || run.jobs > 0 || open_write_.run == &run || gather_.run == &run)
    return false;
  if (run.stopped()) return true;
  const bool behind_asked = run.transfer->order().behind.empty() || !run.behind.empty();
  return run.next >= run.end && run.again.empty() && behind_asked;
}

void SftpEngine::end_transfers() {
  for (size_t i = 0; i < running_.size() && !over_;) {
    if (!is_over(*running_[i])) {
      ++i;
      continue;
    }
    const std::unique_ptr<Running> run = std::move(running_[i]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    const bool cancelled = run->stopped() && !run->fault && run->transfer->moved() < run->end;
    if (cancelled) run->fault = sftp_fault(SftpFault::Kind::cancelled, "Cancelled").value();
    run->done({run->transfer->moved(), std::move(run->fault), std::move(run->behind)});
  }
}

// Null: there is no descriptor for it; then the worker waits for the disk itself.
FileIoPort* SftpEngine::port() {
  if (!port_) {
    auto made = std::make_unique<FileIoPort>(FileIoPool::shared());
    if (made->descriptor() < 0 || !channel_->watch(made->descriptor(), *this)) return nullptr;
    port_ = std::move(made);
  }
  return port_.get();
}

void SftpEngine::submit(Running& run, std::unique_ptr<FileJob> job) {
  // Found again by its transfer, which does not end before its jobs.
  job->owner = &run;
  ++run.jobs;
  if (FileIoPort* pool = port()) return pool->submit(std::move(job));
  job->run();
  take_job(*job);
}

void SftpEngine::take_jobs() {
  if (!port_) return;
  for (auto& job : port_->take()) take_job(*job);
}

}  // namespace sluice
