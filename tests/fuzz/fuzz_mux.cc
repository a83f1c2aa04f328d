// Fuzzes what a master reads of those who share its connection: messages for sessions, streams and forwarded ports.
#include "apps/sluice/mux_requests.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  if (size > kMaxMuxMessage) return 0;
  if (const auto session = read_mux_session({data, size})) {
    SLUICE_CHECK(session->spec.escape >= -1 && session->spec.escape <= 255);
    SLUICE_CHECK(session->spec.words.size() + session->spec.terminal_type.size() <= size);
    for (const auto& [name, value] : session->spec.environment) SLUICE_CHECK(name.find('=') == std::string::npos);
  }
  if (const auto forwarding = read_mux_forwarding({data, size})) {
    // What is told to people and compared with what was asked for before.
    (void)forwarding->spec.text();
    SLUICE_CHECK(forwarding->spec == forwarding->spec);
  }
  return 0;
}
