// Queues between threads, and waiting.
#include "services/sftp_client/sftp_client.h"

#include <sys/eventfd.h>

#include <chrono>

namespace sluice {
namespace {

// A thread that asks faster than the worker takes waits at this.
constexpr size_t kMostPosts = 4096;

// Opens the engine's channel when the connection is there; a client has nothing that a server might open.
class SftpOpener final : public ChannelOpener {
 public:
  explicit SftpOpener(std::unique_ptr<Service> service) : service_(std::move(service)) {}
  void attach(ChannelHost& host) override { host.open("session", {}, std::move(service_)); }
  OpenDecision open(std::string_view, Bytes) override {
    return {nullptr, false, {OpenFailure::administratively_prohibited, "Nothing is to be opened here"}};
  }

 private:
  std::unique_ptr<Service> service_;
};

template <class T>
class Awaited {
 public:
  void set(T value) {
    const std::lock_guard held(lock_);
    value_.emplace(std::move(value));
    set_.notify_all();
  }
  T wait() {
    std::unique_lock held(lock_);
    set_.wait(held, [this] { return value_.has_value(); });
    return std::move(*value_);
  }

 private:
  std::mutex lock_;
  std::condition_variable set_;
  std::optional<T> value_;
};

}  // namespace

void Mailbox::push(std::function<void()> what) {
  const std::lock_guard held(lock_);
  waiting_.push_back(std::move(what));
  if (waiting_.size() == 1) filled_.notify_one();
}

bool Mailbox::run(int wait_ms) {
  std::deque<std::function<void()>> come;
  {
    std::unique_lock held(lock_);
    if (waiting_.empty() && wait_ms > 0)
      filled_.wait_for(held, std::chrono::milliseconds(wait_ms), [this] { return !waiting_.empty(); });
    come.swap(waiting_);
  }
  for (auto& what : come) what();
  return !come.empty();
}

SftpClient::SftpClient() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::unique_ptr<Service> SftpClient::make_service(SftpStart start) {
  return std::make_unique<SftpEngine>(shared_from_this(), std::move(start));
}

std::unique_ptr<ChannelOpener> SftpClient::make_opener(SftpStart start) {
  return std::make_unique<SftpOpener>(make_service(std::move(start)));
}

SftpResult<SftpServerFacts> SftpClient::wait_ready() {
  std::unique_lock held(lock_);
  changed_.wait(held, [this] { return facts_ || gone_; });
  if (gone_) return tl::unexpected<SftpFault>(*gone_);
  return *facts_;
}

SftpResult<SftpServerFacts> SftpClient::wait_limits() {
  std::unique_lock held(lock_);
  changed_.wait(held, [this] { return limits_ || gone_; });
  if (gone_) return tl::unexpected<SftpFault>(*gone_);
  return *facts_;
}

void SftpClient::post(Post what) {
  {
    std::unique_lock held(lock_);
    changed_.wait(held, [this] { return gone_ || posts_.size() < kMostPosts; });
    if (!gone_) {
      posts_.push_back(std::move(what));
      if (posts_.size() == 1) (void)::eventfd_write(event_.get(), 1);
      return;
    }
  }
  what(nullptr);
}

void SftpClient::ask(SftpCall call, std::shared_ptr<Mailbox> mailbox, Then then) {
  auto back = [mailbox = std::move(mailbox), then = std::move(then)](SftpResult<SftpAnswer> answer) {
    mailbox->push([then, answer = std::move(answer)]() mutable { then(std::move(answer)); });
  };
  post([self = shared_from_this(), call = std::move(call), back = std::move(back)](SftpEngine* engine) mutable {
    if (engine) return engine->ask(std::move(call), std::move(back));
    back(tl::unexpected<SftpFault>(self->why_gone()));
  });
}

std::shared_ptr<SftpTransfer> SftpClient::start(TransferOrder order, std::shared_ptr<Mailbox> mailbox, Done done) {
  auto transfer = std::make_shared<SftpTransfer>(std::move(order));
  auto back = [mailbox = std::move(mailbox), done = std::move(done)](TransferEnd end) {
    mailbox->push([done, end = std::move(end)]() mutable { done(std::move(end)); });
  };
  post([self = shared_from_this(), transfer, back = std::move(back)](SftpEngine* engine) mutable {
    if (engine) return engine->start(transfer, std::move(back));
    back({0, self->why_gone()});
  });
  return transfer;
}

SftpResult<SftpAnswer> SftpClient::ask(SftpCall call) {
  auto awaited = std::make_shared<Awaited<SftpResult<SftpAnswer>>>();
  post([self = shared_from_this(), call = std::move(call), awaited](SftpEngine* engine) mutable {
    if (!engine) return awaited->set(tl::unexpected<SftpFault>(self->why_gone()));
    engine->ask(std::move(call), [awaited](SftpResult<SftpAnswer> answer) { awaited->set(std::move(answer)); });
  });
  return awaited->wait();
}

TransferEnd SftpClient::move(TransferOrder order) {
  auto awaited = std::make_shared<Awaited<TransferEnd>>();
  auto transfer = std::make_shared<SftpTransfer>(std::move(order));
  post([self = shared_from_this(), transfer, awaited](SftpEngine* engine) {
    if (!engine) return awaited->set({0, self->why_gone()});
    engine->start(transfer, [awaited](TransferEnd end) { awaited->set(std::move(end)); });
  });
  return awaited->wait();
}

void SftpClient::close() {
  post([](SftpEngine* engine) {
    if (engine) engine->close();
  });
}

bool SftpClient::gone() const {
  const std::lock_guard held(lock_);
  return gone_.has_value();
}

SftpFault SftpClient::why_gone() const {
  const std::lock_guard held(lock_);
  return gone_.value_or(SftpFault{});
}

std::vector<SftpClient::Post> SftpClient::take_posts() {
  eventfd_t ignored;
  (void)::eventfd_read(event_.get(), &ignored);
  const std::lock_guard held(lock_);
  std::vector<Post> posts(std::make_move_iterator(posts_.begin()), std::make_move_iterator(posts_.end()));
  posts_.clear();
  if (posts.size() >= kMostPosts) changed_.notify_all();
  return posts;
}

void SftpClient::tell_ready(const SftpServerFacts& facts, bool limits) {
  const std::lock_guard held(lock_);
  facts_ = facts;
  limits_ = limits;
  changed_.notify_all();
}

void SftpClient::tell_gone(SftpFault why) {
  std::deque<Post> left;
  {
    const std::lock_guard held(lock_);
    if (gone_) return;
    gone_ = std::move(why);
    left.swap(posts_);
    changed_.notify_all();
  }
  for (Post& post : left) post(nullptr);
}

}  // namespace sluice
