// Links come, links go, and after the last one a while of waiting.
#include "services/broker/broker.h"

#include <malloc.h>
#include <sys/epoll.h>

#include <algorithm>

#include "services/broker/broker_link.h"
#include "services/broker/program_streams.h"

namespace sluice {
namespace {

constexpr int64_t kQuietMs = 500;

}  // namespace

Broker::Broker(UserIdentity identity, BrokerSettings settings, const DigestMaker& digests)
    : identity_(std::move(identity)), settings_(settings), digests_(digests), side_(loop_) {
  on_idle_ = [this] { loop_.stop(); };
  look_whether_idle();
}

Broker::~Broker() {
  // Links look after their programs, which are still there.
  links_.clear();
}

void Broker::attach(UniqueFd link, LinkPolicy policy) {
  ++idle_round_;
  const uint64_t number = ++last_link_;
  auto made = std::make_shared<BrokerLink>(*this, number, std::move(link), std::move(policy));
  if (made->begin()) links_.emplace(number, std::move(made));
  look_whether_idle();
}

void Broker::retire(uint64_t link) {
  loop_.after(0, [this, link] {
    links_.erase(link);
    if (link_ended_) link_ended_(link);
    look_whether_idle();
  });
}

void Broker::note_work() {
  worked_ = true;
  if (std::exchange(resting_, false)) rest_when_quiet();
}

void Broker::rest_when_quiet() {
  worked_ = false;
  loop_.after(kQuietMs, [this] {
    if (worked_) return rest_when_quiet();
    resting_ = true;
    ::malloc_trim(0);
  });
}

void Broker::end_with_last_link() {
  ending_ = true;
  settings_.linger_ms = 0;
  on_idle_ = [this] { loop_.stop(); };
  look_whether_idle();
}

uint32_t Broker::adopt(uint64_t link, Program&& program, UniqueFd gate) {
  do ++last_program_;
  while (last_program_ == 0 || programs_.contains(last_program_));
  const uint32_t number = last_program_;
  const int descriptor = program.descriptor();
  if (!loop_.watch(descriptor, EPOLLIN, [this, number](uint32_t) { on_exit(number); })) {
    (void)program.signal("KILL");
    return 0;
  }
  if (program.has_terminal() && watch_terminals_) {
    std::vector<UniqueFd> given;
    given.push_back(program.second_terminal());
    given.push_back(std::move(gate));
    if (given[0] && given[1])
      watch_terminals_({link, program.terminal_number(), program.process(), true}, std::move(given));
  }
  programs_.emplace(number, Child{link, std::move(program)});
  return number;
}

void Broker::on_exit(uint32_t number) {
  const auto found = programs_.find(number);
  ChildExited exited = found->second.program.collect();
  exited.child = number;
  loop_.unwatch(found->second.program.descriptor());
  const auto link = links_.find(found->second.link);
  const Program& program = found->second.program;
  if (program.terminal_number() != kNoTerminal && watch_terminals_)
    watch_terminals_({found->second.link, program.terminal_number(), program.process(), false}, {});
  programs_.erase(found);
  if (link != links_.end()) link->second->on_exit(exited);
  look_whether_idle();
}

const Program* Broker::program(uint64_t link, uint32_t number) const {
  const auto found = programs_.find(number);
  return found == programs_.end() || found->second.link != link ? nullptr : &found->second.program;
}

size_t Broker::programs_of(uint64_t link) const {
  return static_cast<size_t>(
      std::count_if(programs_.begin(), programs_.end(), [link](const auto& each) { return each.second.link == link; }));
}

void Broker::orphan(uint64_t link) {
  for (auto& [number, child] : programs_)
    if (child.link == link) child.program.hang_up();
}

void Broker::look_whether_idle() {
  if (busy()) return;
  loop_.after(settings_.linger_ms, [this, round = ++idle_round_] {
    if (round == idle_round_ && !busy()) on_idle_();
  });
}

}  // namespace sluice
