// Jobs and the descriptors that they wait for.
#include "control/async_lane.h"

#include <openssl/async.h>
#include <poll.h>

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"

namespace sluice {
namespace {

// An engine that has no descriptor to wait for is asked this often.
constexpr int kAskAgainMs = 1;

int run_job(void* argument) {
  (**static_cast<Job**>(argument))();
  return 1;
}

}  // namespace

struct AsyncLane::Flight {
  ~Flight() { ASYNC_WAIT_CTX_free(wait); }
  std::vector<int> descriptors() const {
    size_t count = 0;
    if (ASYNC_WAIT_CTX_get_all_fds(wait, nullptr, &count) != 1) return {};
    std::vector<int> out(count);
    if (count > 0 && ASYNC_WAIT_CTX_get_all_fds(wait, out.data(), &count) != 1) return {};
    return out;
  }

  Job work;
  Job ended;
  Job lost;
  uint64_t started_ns = 0;
  ASYNC_JOB* job = nullptr;
  ASYNC_WAIT_CTX* wait = nullptr;
};

AsyncLane::AsyncLane(size_t most) : most_(most) { SLUICE_CHECK(ASYNC_init_thread(most, 0) == 1); }

AsyncLane::~AsyncLane() {
  abandon(0);
  if (!abandoned_) ASYNC_cleanup_thread();
}

void AsyncLane::abandon(uint64_t older_than_ns) {
  const uint64_t now = monotonic_clock().now_ns();
  std::erase_if(flights_, [&](std::unique_ptr<Flight>& flight) {
    if (now - flight->started_ns < older_than_ns) return false;
    flight->lost();
    (void)flight.release();
    return abandoned_ = true;
  });
}

bool AsyncLane::possible() { return ASYNC_is_capable() == 1; }

uint64_t AsyncLane::oldest_ns() const { return flights_.empty() ? 0 : flights_.front()->started_ns; }

void AsyncLane::start(Job work, Job ended, Job lost) {
  auto flight = std::make_unique<Flight>();
  flight->work = std::move(work);
  flight->ended = std::move(ended);
  flight->lost = std::move(lost);
  flight->started_ns = monotonic_clock().now_ns();
  flight->wait = ASYNC_WAIT_CTX_new();
  SLUICE_CHECK(flight->wait != nullptr);
  if (!go_on(*flight)) flights_.push_back(std::move(flight));
}

bool AsyncLane::go_on(Flight& flight) {
  Job* work = &flight.work;
  int result = 0;
  switch (ASYNC_start_job(&flight.job, flight.wait, &result, run_job, &work, sizeof work)) {
    case ASYNC_PAUSE: return false;
    case ASYNC_FINISH: break;
    default:
      // There was no stack for it. One that has begun always goes on.
      SLUICE_CHECK(flight.job == nullptr);
      flight.work();
  }
  flight.work = nullptr;
  flight.ended();
  return true;
}

void AsyncLane::poll(int wake, int wait_ms) {
  std::vector<pollfd> waits{{wake, POLLIN, 0}};
  std::vector<size_t> first_of;  // in `waits`, of each flight
  for (const auto& flight : flights_) {
    first_of.push_back(waits.size());
    const auto descriptors = flight->descriptors();
    for (const int descriptor : descriptors) waits.push_back({descriptor, POLLIN, 0});
    if (descriptors.empty()) wait_ms = std::min(wait_ms, kAskAgainMs);
  }
  first_of.push_back(waits.size());
  if (::poll(waits.data(), waits.size(), wait_ms) < 0) return;
  std::vector<bool> over(flights_.size());
  for (size_t i = 0; i < over.size(); ++i) {
    const auto begin = waits.begin() + static_cast<ptrdiff_t>(first_of[i]);
    const auto end = waits.begin() + static_cast<ptrdiff_t>(first_of[i + 1]);
    const bool ready = begin == end || std::any_of(begin, end, [](const pollfd& w) { return w.revents != 0; });
    if (ready) over[i] = go_on(*flights_[i]);
  }
  size_t i = 0;
  std::erase_if(flights_, [&](const auto&) { return over[i++]; });
}

}  // namespace sluice
