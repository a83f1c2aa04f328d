// What the user orders by escapes (~? lists them): ends, pauses, new keys, louder and quieter, forwarded ports.
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "apps/sluice/client_log.h"
#include "apps/sluice/ssh_session.h"
#include "base/text.h"
#include "base/wire.h"

namespace sluice {

bool SshSession::take_escape(Bytes bytes) {
  WireReader reader(bytes);
  const auto order = static_cast<EscapeOrder>(reader.u8());
  const std::string words(reader.text());
  switch (order) {
    case EscapeOrder::disconnect: return exit_ = kOurFault, false;
    case EscapeOrder::suspend: return suspend(), true;
    case EscapeOrder::rekey: run_.post([this] { run_.loop().rekey(link_); }); return true;
    case EscapeOrder::louder:
    case EscapeOrder::quieter: {
      const int step = order == EscapeOrder::louder ? 1 : -1;
      const int level = std::clamp(static_cast<int>(verbosity_) + step, 0, static_cast<int>(Verbosity::debug));
      verbosity_ = static_cast<Verbosity>(level);
      set_client_log(verbosity_);
      return true;
    }
    case EscapeOrder::background: return complain("background: start with -f, or use ControlPersist"), true;
    case EscapeOrder::command: return take_command(words), true;
    default: return true;
  }
}

void SshSession::suspend() {
  const auto pause = [this](bool paused) {
    channels_.order([id = session_.load(), paused](ClientChannels& channels) {
      if (ClientSession* session = channels.session(id)) session->pause_input(paused);
    });
  };
  pause(true);
  terminal_.restore();
  ::kill(::getpid(), SIGTSTP);
  terminal_.make_raw();
  pause(false);
  take_signal(SIGWINCH);
}

// -L, -R, -D begin one; -KL, -KR, -KD end it.
void SshSession::take_command(const std::string& words) {
  std::string_view text = words;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool cancel = text.starts_with('K');
  if (cancel) text.remove_prefix(1);
  const char kind = text.empty() ? '?' : text.front();
  if (!text.empty()) text.remove_prefix(1);
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (kind != 'L' && kind != 'R' && kind != 'D') {
    return complain(
        "Commands:\n      -L[bind_address:]port:host:hostport    Request local forward\n"
        "      -R[bind_address:]port:host:hostport    Request remote forward\n"
        "      -D[bind_address:]port                  Request dynamic forward\n"
        "      -KL, -KR, -KD with the same            Cancel it");
  }
  auto spec = kind == 'L'   ? parse_local_forward(text)
              : kind == 'R' ? parse_remote_forward(text)
                            : parse_dynamic_forward(text);
  // The listening end alone says which one is to end.
  if (!spec && cancel) {
    spec = parse_dynamic_forward(text);
    if (spec && kind == 'R') spec->kind = ForwardKind::remote;
  }
  if (!spec) return complain(spec.error());
  run_.post([this, spec = *spec, cancel] {
    const auto tell = [](const ResultOrText<uint32_t>& outcome) {
      complain(outcome ? "Forwarding port." : joined({"Port forwarding failed: ", outcome.error()}));
    };
    const auto tell_end = [](const ResultOrText<uint32_t>& outcome) {
      complain(outcome ? "Canceled forwarding." : outcome.error());
    };
    cancel ? forwards_.end(spec, tell_end) : forwards_.begin(spec, tell);
  });
}

}  // namespace sluice
