// sluice ssh: command line, options, connection, session, exit code.
#include <cstdio>
#include <cstdlib>

#include "apps/sluice/client_log.h"
#include "apps/sluice/client_run.h"
#include "apps/sluice/programs.h"
#include "apps/sluice/ssh_command_line.h"
#include "services/client_session/single_channel.h"

namespace sluice {
namespace {
constexpr int kOurFault = 255;
}

int run_ssh(int argc, char** argv) {
  auto line = parse_ssh_command_line(argc, argv);
  if (!line) return complain(line.error()), kOurFault;
  if (line->help) return std::fputs(kSshHelp, stdout), 0;
  if (line->version) return std::fputs("Sluice_0.1, speaking SSH 2.0\n", stderr), 0;
  auto options = read_client_options(line->invocation);
  if (!options) return complain(options.error()), kOurFault;
  if (line->print_options) return std::fputs(options->settings.print().c_str(), stdout), 0;
  if (!set_client_log(options->verbosity, line->log_file)) return complain("cannot open log"), kOurFault;
  ClientRun run(std::move(*options));
  auto link = run.connect({.opener = std::make_unique<SingleChannel>("session", nullptr)});
  if (!link) return std::fputs(explain(link.error(), run.options()).c_str(), stderr), kOurFault;
  return 0;
}

}  // namespace sluice
