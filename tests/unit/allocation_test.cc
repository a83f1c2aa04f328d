// Counts heap allocations on the hot path: none, on any driver, once it is warm.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "tests/support/record_pair.h"

namespace {
std::atomic<uint64_t> g_allocations{0};
}

// The C library's own functions under other names, so that OpenSSL's and everybody else's calls are counted.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t n) { return ++g_allocations, __libc_malloc(n); }
void* calloc(size_t n, size_t size) { return ++g_allocations, __libc_calloc(n, size); }
void* realloc(void* p, size_t n) { return ++g_allocations, __libc_realloc(p, n); }
void* aligned_alloc(size_t alignment, size_t n) { return ++g_allocations, __libc_memalign(alignment, n); }
int posix_memalign(void** out, size_t alignment, size_t n) {
  ++g_allocations;
  *out = __libc_memalign(alignment, n);
  return *out ? 0 : 12;
}
}

namespace sluice::test {
namespace {

void exchange(RecordPair& pair, Bytes payload, std::span<Message> messages, size_t& received) {
  for (int i = 0; i < 32; ++i) {
    const auto draft = pair.send_path.reserve(payload.size());
    SLUICE_CHECK(draft.has_value());
    std::memcpy(draft->payload.data(), payload.data(), payload.size());
    pair.send_path.finish(*draft, payload.size());
  }
  for (size_t done = 0; done < 32;) {
    pair.turn_sender();
    pair.near.flush();
    pair.receive_path.frame(pair.dispatch);
    pair.dispatch.submit();
    pair.dispatch.poll();
    const size_t n = pair.receive_path.collect(messages);
    SLUICE_CHECK(!pair.receive_path.error());
    pair.receive_path.release(n);
    done += n;
    received += n;
  }
}

TEST(Allocation, The_counter_sees_allocations) {
  const uint64_t before = g_allocations;
  void* volatile p = std::malloc(100);
  std::free(p);
  EXPECT_EQ(g_allocations - before, 1u);
}

TEST(Allocation, No_driver_allocates_for_a_record_of_any_suite) {
  std::array<Message, 32> messages;
  for (const DriverUnderTest& driver : drivers_under_test()) {
    for (const CipherSuite& suite : cipher_suites()) {
      if (!suite.negotiable || !driver.serves(suite)) continue;
      RecordPair pair(suite, driver);
      size_t received = 0;
      const auto payload = data_payload(1400, 1);
      exchange(pair, payload, messages, received);
      const uint64_t before = g_allocations;
      for (int i = 0; i < 8; ++i) exchange(pair, payload, messages, received);
      ASSERT_EQ(g_allocations - before, 0u) << driver.name << " " << suite.name();
      ASSERT_EQ(received, 9u * 32);
    }
  }
}

}  // namespace
}  // namespace sluice::test
