// Fuzz target: userauth messages to both machines, with a monitor that says whatever the input says.
//
// The input is a script: u16 length, payload, again and again. What a parser takes must come out of the writer as the
// same thing.
#include <algorithm>

#include "base/check.h"
#include "control/auth/auth_client.h"
#include "control/auth/auth_server.h"
#include "control/monitor/monitor_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace sluice {
namespace {

constexpr Instant kNow{0};

Bytes next_piece(Bytes& rest) {
  if (rest.size() < 2) return {};
  const size_t wanted = static_cast<size_t>(rest[0]) << 8 | rest[1];
  const Bytes piece = rest.subspan(2, std::min(wanted, rest.size() - 2));
  rest = rest.subspan(2 + piece.size());
  return piece;
}

AuthVerdict any_verdict(uint8_t choice) {
  AuthVerdict verdict;
  verdict.kind = static_cast<VerdictKind>(choice % static_cast<uint8_t>(VerdictKind::count_));
  verdict.methods = MethodSet::from_bits(static_cast<uint8_t>(choice >> 4));
  if (choice & 8) verdict.permit = Permit{};
  verdict.prompts.prompts.resize(choice % 4);
  return verdict;
}

void drive_server(Bytes script) {
  AuthServer server({.banner = "hello"});
  while (script.size() >= 2) {
    const Bytes payload = next_piece(script);
    auto actions = server.take(payload, kNow);
    while (actions && !actions->empty()) {
      const auto* asked = std::get_if<AskMonitor>(&actions->back());
      if (!asked) break;
      // The question crosses the process boundary and is the same behind it.
      const Secret written = write_question(asked->question);
      const auto read = read_question(written.view());
      SLUICE_CHECK(read.has_value());
      const Secret again = write_question(*read);
      SLUICE_CHECK(std::equal(again.view().begin(), again.view().end(), written.view().begin(), written.view().end()));
      const uint8_t choice = script.empty() ? 0 : script[0];
      actions = server.take_verdict(asked->id, any_verdict(choice), kNow);
    }
    if (!actions) return;
  }
}

void drive_client(Bytes script) {
  AuthClientConfig config;
  config.user = "fuzz";
  AuthClient client(std::move(config));
  client.start();
  while (script.size() >= 2) {
    const Bytes payload = next_piece(script);
    auto actions = client.take(payload);
    for (int i = 0; actions && i < 8; ++i) {
      if (client.phase() == ClientPhase::password_asked)
        actions = client.take_password(Secret(payload.first(std::min<size_t>(payload.size(), 2000))));
      else if (client.phase() == ClientPhase::new_asked)
        actions = client.take_new_password(Secret(4));
      else if (client.phase() == ClientPhase::prompts_asked)
        actions = client.take_answers(std::vector<Secret>(payload.size() % 4));
      else
        break;
    }
    if (!actions) return;
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::drive_server({data, size});
  sluice::drive_client({data, size});
  return 0;
}
