// A right for each type of request; a new type without one does not compile.
#include "services/broker/link_rights.h"

namespace sluice {
namespace {

enum class Right : uint8_t { always, look, change, program, connect_tcp, listen_tcp, connect_unix, listen_unix, agent };

template <class T, class... Others>
inline constexpr bool kOneOf = (std::is_same_v<T, Others> || ...);

Right right_for(const OpenFile& open) { return (open.flags & ~uint32_t{kOpenRead}) != 0 ? Right::change : Right::look; }

template <class T>
Right right_for(const T&) {
  if constexpr (kOneOf<T, CloseHandle, SignalChild, ResizeTerminal>) {
    return Right::always;
  } else if constexpr (kOneOf<T, StatPath, StatHandle, OpenDirectory, ReadDirectory, ResolvePath, ExpandPath, FindHome,
                              ReadSymlink, StatFilesystem, StatFilesystemOf, CheckFile, NameIds, SyncFile>) {
    return Right::look;
  } else if constexpr (kOneOf<T, ChangePath, ChangeHandle, RemoveFile, MakeDirectory, RemoveDirectory, RenameFile,
                              ReplaceFile, MakeSymlink, MakeHardlink, CopyData>) {
    return Right::change;
  } else if constexpr (kOneOf<T, SpawnProgram>) {
    return Right::program;
  } else if constexpr (kOneOf<T, ConnectTcp>) {
    return Right::connect_tcp;
  } else if constexpr (kOneOf<T, ListenTcp>) {
    return Right::listen_tcp;
  } else if constexpr (kOneOf<T, ConnectUnix>) {
    return Right::connect_unix;
  } else if constexpr (kOneOf<T, ListenUnix>) {
    return Right::listen_unix;
  } else {
    static_assert(kOneOf<T, MakeAgentSocket>);
    return Right::agent;
  }
}

bool may(const LinkPolicy& policy, const BrokerRequest& request, Right right) {
  switch (right) {
    case Right::always: return true;
    case Right::look: return policy.may_use_files();
    case Right::change: return policy.may_use_files() && !policy.read_only;
    case Right::program: {
      const auto& spawn = std::get<SpawnProgram>(request);
      if (spawn.terminal && !policy.terminal) return false;
      // A forced command and a configured subsystem are the administrator's own programs.
      return policy.programs || policy.forced_command ||
             (spawn.kind == ProgramKind::subsystem && spawn.words.size() == 1 && policy.subsystem(spawn.words[0]));
    }
    case Right::connect_tcp: {
      const auto& connect = std::get<ConnectTcp>(request);
      return policy.may_open(connect.host, connect.port);
    }
    case Right::listen_tcp: {
      const auto& listen = std::get<ListenTcp>(request);
      return policy.may_listen(listen.address, listen.port);
    }
    case Right::connect_unix: return policy.connect_unix;
    case Right::listen_unix: return policy.listen_unix;
    case Right::agent: return policy.agent;
  }
  return false;
}

}  // namespace

std::optional<Failure> refusal(const LinkPolicy& policy, const BrokerRequest& request) {
  const Right right = std::visit([](const auto& each) { return right_for(each); }, request);
  if (may(policy, request, right)) return std::nullopt;
  const bool writes = right == Right::change && policy.may_use_files();
  return failed(BrokerFault::forbidden, writes ? "This session is read-only" : "Not allowed in this session");
}

}  // namespace sluice
