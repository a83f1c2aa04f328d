// Places that are plain memory, and watches by epoll.
#include "tests/support/fake_channel.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace sluice::test {

FakeHost::FakeHost() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { SLUICE_CHECK(epoll_ >= 0); }

FakeHost::~FakeHost() { ::close(epoll_); }

bool FakeHost::open(std::string_view type, Bytes extra, std::unique_ptr<Service> service) {
  opened.push_back({std::string(type), {extra.begin(), extra.end()}, std::move(service)});
  return true;
}

bool FakeHost::watch(int descriptor, Watcher& watcher) {
  epoll_event event{};
  const uint32_t room = watcher.waits_for_room() ? uint32_t{EPOLLOUT} : 0u;
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | room;
  event.data.fd = descriptor;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  watchers_[descriptor] = &watcher;
  return true;
}

void FakeHost::unwatch(int descriptor) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
  watchers_.erase(descriptor);
}

bool FakeHost::poll(int wait_ms) {
  std::array<epoll_event, 16> events;
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const auto found = watchers_.find(event.data.fd);
    if (found != watchers_.end()) found->second->on_ready(event.events);
  }
  return n > 0;
}

std::optional<DataDraft> FakeChannel::reserve_after(size_t header, size_t most) {
  const size_t n = std::min({most, packet, static_cast<size_t>(window_left)});
  if (n == 0 || room == 0 || eof || closed) return std::nullopt;
  --room;
  window_left -= n;
  Place& place = places_[next_];
  place.bytes.resize(header + n);
  place.is_error = header == 13;
  return DataDraft{MutableBytes(place.bytes).subspan(header), next_++, place.bytes.data()};
}

void FakeChannel::finish(const DataDraft& draft, size_t n) {
  SLUICE_CHECK(n <= draft.data.size() && places_.contains(draft.position));
  window_left += draft.data.size() - n;
  std::vector<uint8_t>& out = places_[draft.position].is_error ? errors : data;
  out.insert(out.end(), draft.data.begin(), draft.data.begin() + static_cast<std::ptrdiff_t>(n));
  places_.erase(draft.position);
}

}  // namespace sluice::test
