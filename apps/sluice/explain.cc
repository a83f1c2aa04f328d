// What a failure means for the user, and what he may do.
#include "apps/sluice/client_run.h"

namespace sluice {
namespace {

std::string names_of(const Disagreement& offers) {
  return "  ours (" + offers.list + "): " + join_names(offers.client) + "\n  theirs: " + join_names(offers.server) +
         "\n";
}

std::string_view option_for(const std::string& list) {
  if (list.find("kex") != std::string::npos || list.find("key exchange") != std::string::npos) return "KexAlgorithms";
  if (list.find("host") != std::string::npos) return "HostKeyAlgorithms";
  if (list.find("cipher") != std::string::npos || list.find("encryption") != std::string::npos) return "Ciphers";
  return "MACs";
}

// What may be done about it; empty: the text says all.
std::string advice(const ClientFailure& failure, const ClientOptions& options) {
  const std::string host = options.original_host;
  switch (failure.kind) {
    case FailureKind::host_not_found:
      return "Check the name, or use its address; `sluice ssh -G " + host + "` shows what it stands for.";
    case FailureKind::connection_refused:
      return "Nobody listens there: is the server running, and is the port right (-p)?";
    case FailureKind::connect_failed:
      return "Check address and network; -J HOST goes by way of another host, -b and -B choose where from.";
    case FailureKind::connect_timeout:
      return "It is down, or something in between drops packets; -J HOST goes by way of another host.";
    case FailureKind::permission_denied:
      if (failure.methods.has(AuthMethod::publickey))
        return "Is the user right (-l)? -i FILE offers another key, -v tells which were tried.";
      return failure.methods.names().empty() ? "" : "Is the user right (-l)? -v tells what was tried.";
    case FailureKind::server_silent:
      return "The network or the host is gone; ServerAliveInterval and ServerAliveCountMax say how soon that is "
             "noticed.";
    case FailureKind::turned_away:
    case FailureKind::closed:
      if (!options.proxy_command.empty()) return "It went through the ProxyCommand: does that end? Run it by hand.";
      if (failure.kind == FailureKind::closed) return {};
      return "The server takes no more connections, or none from here for now; its log says which.";
    default: return {};
  }
}

}  // namespace

std::string explain(const ClientFailure& failure, const ClientOptions& options) {
  std::string text = failure.text;
  while (text.ends_with('\n')) text.pop_back();
  if (text.starts_with("connect to") || failure.kind == FailureKind::host_not_found) text.insert(0, "ssh: ");
  text.append("\n");
  if (failure.kind == FailureKind::no_common_algorithm && failure.offers) {
    text.append(names_of(*failure.offers));
    text.append("To accept one of theirs for this once: -o ")
        .append(option_for(failure.offers->list))
        .append("=+NAME\n");
  }
  if (const std::string more = advice(failure, options); !more.empty()) text.append(more).append("\n");
  return text;
}

}  // namespace sluice
