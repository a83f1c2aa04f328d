// Fuzz target: packets to a broker, to its client and to the starter, read and written back.
#include "base/check.h"
#include "services/broker/broker_protocol.h"
#include "services/broker/link_rights.h"
#include "services/broker/program_plan.h"
#include "services/broker/starter_protocol.h"
#include "services/shell/terminal_modes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace sluice {
namespace {

bool same(const std::optional<std::vector<uint8_t>>& written, Bytes packet) {
  return written && std::equal(written->begin(), written->end(), packet.begin(), packet.end());
}

void plan(const SpawnProgram& spawn, const LinkPolicy& policy) {
  UserIdentity identity;
  identity.home = "/";
  const auto planned = plan_program(identity, policy, spawn, "");
  // A forced command cannot be got round.
  if (planned && policy.forced_command) SLUICE_CHECK(planned->words.back() == *policy.forced_command);
  if (spawn.terminal) {
    termios terminal{};
    apply_terminal_modes(parse_terminal_modes(spawn.terminal->modes), terminal);
    (void)encode_terminal_modes(terminal);
  }
}

void judge(const BrokerRequest& request) {
  LinkPolicy nothing, forced;
  nothing.files = nothing.programs = false;
  forced.forced_command = "true";
  (void)refusal(nothing, request);
  if (const auto* spawn = std::get_if<SpawnProgram>(&request)) {
    plan(*spawn, LinkPolicy());
    plan(*spawn, forced);
  } else {
    const bool harmless = std::holds_alternative<CloseHandle>(request) ||
                          std::holds_alternative<SignalChild>(request) ||
                          std::holds_alternative<ResizeTerminal>(request);
    SLUICE_CHECK(refusal(nothing, request).has_value() != harmless);
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const Bytes packet{data, size};
  if (const auto request = read_request(packet)) {
    // There is one encoding of everything.
    SLUICE_CHECK(same(write_request(request->request, request->body), packet));
    judge(request->body);
  }
  if (const auto answer = read_answer(packet)) SLUICE_CHECK(same(write_answer(answer->request, answer->body), packet));
  if (const auto order = decode_order(packet)) SLUICE_CHECK(same(encode(*order), packet));
  if (const auto policy = decode_policy(packet)) SLUICE_CHECK(same(encode(*policy), packet));
  if (const auto made = decode_made(packet)) SLUICE_CHECK(same(encode(*made), packet));
  if (const auto news = decode_news(packet)) SLUICE_CHECK(same(encode(*news), packet));
  return 0;
}
