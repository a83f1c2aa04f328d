// The flags that are scp's own, and its places.
#include "apps/sluice/scp/scp_command_line.h"

#include <getopt.h>

#include <cstring>

namespace sluice {

const char* const kScpHelp = R"(usage: sluice scp [FLAG]... SOURCE... TARGET
Each is a local path, [user@]HOST:PATH or scp://[user@]HOST[:PORT][/PATH].
Several sources, and patterns at a host, need a folder as target.
(`sluice cp` copies faster, and resumes what was cut.)
  -r -p                    whole folders; keep times and modes
  -P PORT -i KEY -J HOST   where, with which key, through which hosts
  -o OPTION=VALUE -F FILE  any option of ssh_config(5); another file, or "none"
  -4 -6 -A -C              IPv4 or IPv6 only; forward the agent; compress
  -c CIPHERS               algorithms in this order
  -l KBITS                 at most so much a second
  -X nrequests=N|buffer=N  requests on their way; bytes of one
  -B -q -v                 ask nothing; no progress and warnings; tell more
  -S PROGRAM               speaks SSH for us, with the flags of ssh
  -D COMMAND               a server of SFTP here, whatever host is named
  -s -O -T                 SFTP (usual); the old protocol; take what it sends
  -3 -R                    between two hosts: through here (usual); or the
                           first runs scp to the second
Exit status: 0; 1 something failed; 255 no connection. See sluice-scp(1).
)";

namespace {

constexpr const char* kLetters = "+46Ac:CD:F:i:J:l:o:pP:qrS:vX:123hBdfORstT";

void take_own(ScpCommandLine& line, int flag) {
  std::string& problem = line.flags.problem;
  switch (flag) {
    case 'h': line.help = true; break;
    case '3':
    case 's':
    case '2': break;  // as it is anyway
    case 'B': line.flags.invocation.lines.push_back("BatchMode yes"); break;
    case 'O': line.legacy = true; break;
    case 'R': line.at_origin = true; break;
    case 'T': line.trust_names = true; break;
    case '1': problem = "-1: protocol 1 of SSH is not spoken any more"; break;
    case 'd':
    case 'f':
    case 't': problem = "-f, -t and -d are a server's: sluiced answers them without a program"; break;
    default: problem = wrong_flag(optopt, kLetters, "scp"); break;
  }
}

ScpPlace place_of(const std::string& text, std::string& problem) {
  ScpPlace place;
  place.remote = parse_remote_name(text, "scp", problem);
  place.path = place.remote ? place.remote->path : text;
  return place;
}

}  // namespace

ResultOrText<ScpCommandLine> parse_scp_command_line(int argc, char** argv) {
  ScpCommandLine line;
  if (argc > 1 && std::strcmp(argv[1], "--help") == 0) {
    line.help = true;
    return line;
  }
  opterr = 0;
  optind = 0;
  for (int flag; (flag = ::getopt(argc, argv, kLetters)) != -1 && line.flags.problem.empty();) {
    if (!line.flags.take(flag, optarg ? optarg : "")) take_own(line, flag);
  }
  if (line.flags.problem.empty() && !line.help && argc - optind < 2) {
    line.flags.problem = std::string("a source and a target are to be named\n") + kScpHelp;
  }
  if (line.help) return line;
  for (int i = optind; i < argc && line.flags.problem.empty(); ++i) {
    ScpPlace place = place_of(argv[i], line.flags.problem);
    if (i + 1 == argc)
      line.target = std::move(place);
    else
      line.sources.push_back(std::move(place));
  }
  if (!line.flags.problem.empty()) return fail(line.flags.problem);
  line.flags.finish();
  return line;
}

}  // namespace sluice
