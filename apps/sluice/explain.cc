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

}  // namespace

std::string explain(const ClientFailure& failure, const ClientOptions& options) {
  std::string text = failure.text;
  while (text.ends_with('\n')) text.pop_back();
  const std::string host = options.original_host;
  switch (failure.kind) {
    case FailureKind::host_not_found:
    case FailureKind::connection_refused:
    case FailureKind::connect_failed: return "ssh: " + text + "\n";
    case FailureKind::connect_timeout: return text.starts_with("connect to") ? "ssh: " + text + "\n" : text + "\n";
    case FailureKind::no_common_algorithm: {
      text.append("\n");
      if (!failure.offers) return text;
      text.append(names_of(*failure.offers));
      return text + "To accept one of theirs for this once: -o " + std::string(option_for(failure.offers->list)) +
             "=+NAME\n";
    }
    case FailureKind::server_silent: return text + "\n";
    case FailureKind::closed: return text + "\n";
    default: return text + "\n";
  }
}

}  // namespace sluice
