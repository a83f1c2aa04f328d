// One side or the other.
#include "services/scp/scp_service.h"

#include "services/scp/scp_sink.h"
#include "services/scp/scp_source.h"

namespace sluice {

std::unique_ptr<Service> make_scp_service(ConnectionServices& connection, std::string_view command) {
  auto parsed = parse_scp_command(command);
  if (!parsed) return nullptr;
  if (parsed->sink) return std::make_unique<ScpSink>(connection, std::move(*parsed));
  return std::make_unique<ScpSource>(connection, std::move(*parsed));
}

}  // namespace sluice
