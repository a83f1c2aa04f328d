// A link's requests about programs and sockets.
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "services/broker/broker_link.h"
#include "services/broker/greeting.h"
#include "services/broker/packet_socket.h"

namespace sluice {
namespace {

Failure no_such_child() { return failed(BrokerFault::not_found, "No such program"); }

}  // namespace

void BrokerLink::take(uint32_t request, const SpawnProgram& spawn) {
  if (broker_.programs_of(number_) >= policy_.max_children)
    return answer(request, failed(BrokerFault::too_many, "Too many programs"));
  std::string agent;
  if (spawn.agent) {
    const UserListener* listener = handle_of<UserListener>(request, *spawn.agent);
    if (!listener) return;
    agent = listener->path();
  }
  auto plan = plan_program(broker_.identity(), policy_, spawn, agent);
  if (!plan) return answer(request, plan.error());
  plan->greeting = greeting_for(broker_.identity(), policy_, spawn);
  auto started = Program::start(std::move(*plan), broker_.pipes_are_ample());
  if (!started) return answer(request, started.error());
  const bool terminal = started->program.has_terminal();
  const uint32_t child = broker_.adopt(number_, std::move(started->program), std::move(started->gate));
  if (child == 0) return answer(request, failed(BrokerFault::too_many, "The program cannot be watched"));
  answer(request, Spawned{child, terminal}, std::move(started->ends));
}

void BrokerLink::on_exit(const ChildExited& exited) {
  if (ended_) return;
  answer(0, exited);
  flush();
}

void BrokerLink::take(uint32_t request, const SignalChild& signal) {
  const Program* program = broker_.program(number_, signal.child);
  answer(request, program ? program->signal(signal.signal) : tl::unexpected(no_such_child()));
}

void BrokerLink::take(uint32_t request, const ResizeTerminal& resize) {
  const Program* program = broker_.program(number_, resize.child);
  answer(request, program ? program->resize(resize.size) : tl::unexpected(no_such_child()));
}

void BrokerLink::connect(uint32_t request, std::vector<TcpAddress> addresses) {
  ++slow_;
  auto connector = std::make_shared<TcpConnector>(broker_.loop(), [this, request](Outcome<UniqueFd> outcome) {
    --slow_;
    std::vector<UniqueFd> given;
    if (outcome) given.push_back(std::move(*outcome));
    if (outcome)
      answer(request, Connected{}, std::move(given));
    else
      answer(request, outcome.error());
    // It is still running.
    broker_.loop().after(0, [link = weak_from_this(), request] {
      if (const auto self = link.lock()) self->connectors_.erase(request);
    });
    flush();
  });
  connectors_[request] = connector;
  connector->start(std::move(addresses));
}

void BrokerLink::take(uint32_t request, const ConnectTcp& wanted) {
  if (auto addresses = look_up(wanted.host, wanted.port, true)) return connect(request, std::move(*addresses));
  auto found = std::make_shared<Outcome<std::vector<TcpAddress>>>();
  const bool begun = broker_.side().submit(
      number_, [link = weak_from_this(), request, wanted, found](const std::atomic<bool>&) -> SideThreads::Then {
        *found = look_up(wanted.host, wanted.port, false);
        return [link, request, found] {
          const auto self = link.lock();
          if (!self || self->ended_) return;
          --self->slow_;
          if (*found) return self->connect(request, std::move(**found));
          self->answer(request, found->error());
          self->flush();
        };
      });
  if (!begun) return answer(request, failed(BrokerFault::too_many, "No thread to be had"));
  ++slow_;
}

void BrokerLink::take(uint32_t request, const ConnectUnix& wanted) {
  const std::string path = absolute(wanted.path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return answer(request, failure_of(ENAMETOOLONG));
  std::memcpy(address.sun_path, path.data(), path.size());
  std::vector<UniqueFd> given;
  given.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // It never waits: a full queue of the listener is EAGAIN.
  if (!given[0] || ::connect(given[0].get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return answer(request, system_failure().value());
  answer(request, Connected{}, std::move(given));
}

void BrokerLink::listen(uint32_t request, Outcome<UserListener>&& listener) {
  if (!listener) return answer(request, listener.error());
  auto shared = listener->share();
  if (shared.empty()) return answer(request, failure_of(EMFILE));
  Listening listening{0, listener->port(), listener->path()};
  const auto handle = add_handle(request, std::move(*listener));
  if (!handle) return;
  listening.handle = *handle;
  answer(request, listening, std::move(shared));
}

void BrokerLink::take(uint32_t request, const ListenTcp& wanted) {
  listen(request, UserListener::tcp(wanted.address, wanted.port, policy_.gateway));
}

void BrokerLink::take(uint32_t request, const ListenUnix& wanted) {
  listen(request, UserListener::unix_path(absolute(wanted.path), policy_.unix_mask, policy_.replace_sockets));
}

void BrokerLink::take(uint32_t request, const MakeAgentSocket&) { listen(request, UserListener::agent()); }

}  // namespace sluice
