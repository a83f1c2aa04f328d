// Lanes in turn, round robin over sources in each. A mutex and a condition are enough: items take tens of microseconds
// at least.
#include "control/work_pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/clock.h"

namespace sluice {
namespace {

constexpr size_t kCoresPerThread = 4;
constexpr size_t kMostThreads = 16;
// Another thread may have taken the wake-up and be full.
constexpr int kLanePollMs = 5;

constexpr size_t kStrangers = 0, kSessions = 1;

}  // namespace

size_t default_work_threads() {
  return std::clamp<size_t>(std::thread::hardware_concurrency() / kCoresPerThread, 1, kMostThreads);
}

WorkPool::WorkPool(const WorkPoolLimits& limits) : limits_(limits) {
  SLUICE_CHECK(limits.threads > limits.kept_for_sessions);
  const bool with_pauses = limits.paused_per_thread > 0 && AsyncLane::possible();
  if (with_pauses) {
    lane_wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    SLUICE_CHECK(lane_wake_ >= 0);
  }
  for (size_t i = 0; i < limits.threads; ++i)
    threads_.emplace_back([this, with_pauses] { with_pauses ? work_with_pauses() : work_until_stopped(); });
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  wake_lanes();
  for (std::thread& thread : threads_) thread.join();
  if (lane_wake_ >= 0) ::close(lane_wake_);
}

void WorkPool::wake_lanes() const {
  const uint64_t one = 1;
  if (lane_wake_ >= 0) (void)!::write(lane_wake_, &one, sizeof one);
}

bool WorkPool::has_room(const WorkOrigin& origin, const Lane& lane) const {
  if (origin.logged_in && origin.line != 0) {
    const auto line = lines_.find(origin.line);
    return line == lines_.end() || line->second.waiting.size() < kWaitingOfSession;
  }
  if (!origin.logged_in && lane.queued >= limits_.strangers) return false;
  const auto source = lane.sources.find(origin.source);
  return source == lane.sources.end() || source->second.size() < limits_.per_source;
}

bool WorkPool::submit(const WorkOrigin& origin, Job job, Job lost) {
  {
    const std::lock_guard lock(mutex_);
    Lane& lane = lanes_[origin.logged_in ? kSessions : kStrangers];
    if (stopping_ || !has_room(origin, lane)) return false;
    const auto [source, is_new] = lane.sources.try_emplace(origin.source);
    if (is_new) lane.turns.push_back(origin.source);
    Queue& queue = source->second;
    queue.push_back(
        {origin.line, !origin.logged_in && !origin.may_pause, origin.may_pause, std::move(job), std::move(lost)});
    ++lane.queued;
    open_.fetch_add(1, std::memory_order_relaxed);
    if (origin.line != 0) lines_[origin.line].waiting.push_back({&lane, source, std::prev(queue.end())});
  }
  ready_.notify_one();
  wake_lanes();
  return true;
}

// A source is there while it has work; its turn is the caller's to end.
WorkPool::Item WorkPool::take_out(const Place& place) {
  Item item = std::move(*place.item);
  place.source->second.erase(place.item);
  --place.lane->queued;
  if (place.source->second.empty()) place.lane->sources.erase(place.source);
  return item;
}

size_t WorkPool::forget(uint64_t line) {
  // What they hold goes when the lock is free again.
  std::vector<Item> dropped;
  const std::lock_guard lock(mutex_);
  const auto found = lines_.find(line);
  if (found == lines_.end()) return 0;
  for (const Place& place : found->second.waiting) {
    if (place.source->second.size() == 1) std::erase(place.lane->turns, place.source->first);
    dropped.push_back(take_out(place));
  }
  found->second.waiting.clear();
  if (!found->second.running) lines_.erase(found);
  open_.fetch_sub(dropped.size(), std::memory_order_relaxed);
  return dropped.size();
}

bool WorkPool::run(const WorkOrigin& origin, Job work, Job then) {
  Job lost;
  if (origin.may_pause) lost = [this, then] { finished_.post(then); };
  Job job = [this, work = std::move(work), then = std::move(then)]() mutable {
    work();
    // The work's captures go here, off the control thread: keys and exchanges are wiped as they are dropped.
    work = nullptr;
    finished_.post(std::move(then));
  };
  return submit(origin, std::move(job), std::move(lost));
}

bool WorkPool::may_begin(const Item& item) const {
  if (item.line == 0) return true;
  const Line& line = lines_.at(item.line);
  return !line.running && &*line.waiting.front().item == &item;
}

// The first item that may begin, in the order of turns.
bool WorkPool::take_from(Lane& lane, Item& next) {
  for (size_t looked_at = lane.turns.size(); looked_at > 0; --looked_at) {
    std::string name = std::move(lane.turns.front());
    lane.turns.pop_front();
    const auto source = lane.sources.find(name);
    Queue& queue = source->second;
    const auto item = std::find_if(queue.begin(), queue.end(), [this](const Item& one) { return may_begin(one); });
    const bool found = item != queue.end();
    if (!found || queue.size() > 1) lane.turns.push_back(std::move(name));
    if (!found) continue;
    next = take_out({&lane, source, item});
    if (next.line == 0) return true;
    Line& line = lines_[next.line];
    line.running = true;
    line.waiting.pop_front();
    return true;
  }
  return false;
}

// Whoever was taken from last comes behind the other lane.
bool WorkPool::take_next(Item& next) {
  for (size_t tries = 0; tries < lanes_.size(); ++tries) {
    const size_t which = std::exchange(next_lane_, (next_lane_ + 1) % lanes_.size());
    const bool kept = which == kStrangers && holding_threads_ + limits_.kept_for_sessions >= limits_.threads;
    if (kept || !take_from(lanes_[which], next)) continue;
    if (next.holds_thread) ++holding_threads_;
    return true;
  }
  return false;
}

// Whoever woke for what waited for this line has gone back to sleep.
void WorkPool::finish(uint64_t line, bool held_thread) {
  open_.fetch_sub(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (held_thread) --holding_threads_;
  if (line == 0) return;
  const auto found = lines_.find(line);
  found->second.running = false;
  if (found->second.waiting.empty()) return void(lines_.erase(found));
  ready_.notify_one();
  wake_lanes();
}

void WorkPool::work_until_stopped() {
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopping_ || take_next(item); });
      if (stopping_) return;
    }
    item.job();
    item.job = nullptr;
    finish(item.line, item.holds_thread);
  }
}

// The same, with a device between start and end of some.
void WorkPool::work_with_pauses() {
  AsyncLane lane(limits_.paused_per_thread);
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      if (lane.paused() == 0)
        ready_.wait(lock, [&] { return stopping_ || take_next(item); });
      else if (!stopping_ && !lane.full())
        take_next(item);
      const bool stuck = lane.paused() > 0 && monotonic_clock().now_ns() - lane.oldest_ns() > kStuckNs;
      if (stopping_ && (lane.paused() == 0 || stuck)) return;
    }
    if (!item.job) {
      poll_lane(lane);
    } else if (item.may_pause) {
      lane.start(
          std::move(item.job), [this, line = item.line] { finish(line, false); },
          [this, line = item.line, lost = std::move(item.lost)] {
            finish(line, false);
            if (lost) lost();
          });
    } else {
      item.job();
      item.job = nullptr;
      finish(item.line, item.holds_thread);
    }
  }
}

void WorkPool::poll_lane(AsyncLane& lane) {
  // Cleared before the queue is looked at again: what is added later wakes again.
  lane.poll(lane_wake_, kLanePollMs);
  uint64_t count;
  (void)!::read(lane_wake_, &count, sizeof count);
  if (lane.paused() == 0 || monotonic_clock().now_ns() - lane.oldest_ns() <= kStuckNs) return;
  // Those who wait for it end, others must not wait behind them.
  lane.abandon(kStuckNs);
  if (limits_.on_stuck) limits_.on_stuck();
}

}  // namespace sluice
