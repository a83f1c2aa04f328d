// sluice sftp: command line, connection, and where its commands come from.
#include <getopt.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/sluice/client_log.h"
#include "apps/sluice/programs.h"
#include "apps/sluice/sftp/file_program_flags.h"
#include "apps/terminal/interrupt.h"
#include "apps/sluice/sftp/progress_meter.h"
#include "apps/sluice/sftp/sftp_connection.h"
#include "apps/sluice/sftp/sftp_console.h"

namespace sluice {
namespace {

// As ssh, whose connection it would be.
constexpr int kNoConnection = 255;

constexpr const char* kHelp = R"(usage: sluice sftp [FLAG]... [user@]HOST[:PATH [LOCAL]]
       sluice sftp [FLAG]... sftp://[user@]HOST[:PORT][/PATH] [LOCAL]
A prompt for files on another machine; `help` there lists what it understands.
A PATH that is a folder is where it begins; else it is fetched to LOCAL.
  -P PORT -i KEY -J HOST   where, with which key, through which hosts
  -o OPTION=VALUE -F FILE  any option of ssh_config(5); another file, or "none"
  -4 -6 -A -C              IPv4 or IPv6 only; forward the agent; compress
  -c CIPHERS               algorithms in this order
  -b FILE                  commands from a file ("-": standard input), to the
                           first error; `-` before one ignores its errors, `@`
                           does not repeat it
  -a -f -p -r              for all copies: resume, flush to the disk, keep times
                           and modes, whole folders
  -l KBITS -B BYTES -R N   a second at most; of one request; requests on their
                           way (usually as many as the path needs)
  -S PROGRAM               speaks SSH for us, with the flags of ssh
  -D COMMAND               instead of a host: a server of SFTP here
  -s NAME                  another subsystem, or with a slash a program there
  -q -N -v                 tell nothing; tell all the same after -b; tell more
Exit status: 0; 1 something failed; 255 no connection. See sluice-sftp(1).
)";

// + : flags end at the first other word, as people's scripts expect it.
constexpr const char* kLetters = "+46Ac:CD:F:i:J:l:o:pP:qrS:vX:12hab:B:fNR:s:";

struct CommandLine {
  FileProgramFlags flags;
  std::string batch_file;
  bool resume = false, sync = false, loud = false, help = false;
  std::string path, local;
};

void take_own(CommandLine& line, int flag, const std::string& value) {
  std::string& problem = line.flags.problem;
  switch (flag) {
    case 'h': line.help = true; break;
    case 'a': line.resume = true; break;
    case 'b': line.batch_file = value; break;
    case 'B':
      line.flags.start.most_request = static_cast<uint32_t>(number_of(value, 1, kMaxSftpData, 'B', problem));
      break;
    case 'f': line.sync = true; break;
    case 'N': line.loud = true; break;
    case 'R': line.flags.start.most_requests = number_of(value, 1, 65536, 'R', problem); break;
    case 's':
      line.flags.start.name = value;
      line.flags.start.command = value.find('/') != std::string::npos;
      break;
    case '1': problem = "-1: protocol 1 of SSH is not spoken any more"; break;
    case '2': break;
    default: problem = wrong_flag(optopt, kLetters, "sftp"); break;
  }
}

ResultOrText<CommandLine> parse(int argc, char** argv) {
  CommandLine line;
  if (argc > 1 && std::strcmp(argv[1], "--help") == 0) {
    line.help = true;
    return line;
  }
  opterr = 0;
  optind = 0;
  for (int flag; (flag = ::getopt(argc, argv, kLetters)) != -1 && line.flags.problem.empty();) {
    const std::string value = optarg ? optarg : "";
    if (!line.flags.take(flag, value)) take_own(line, flag, value);
  }
  if (!line.flags.problem.empty()) return fail(line.flags.problem);
  if (line.help) return line;
  if (!line.flags.sftp_server.empty()) {
    if (optind < argc) return fail(std::string("with -D no host is named\n") + kHelp);
    line.flags.finish();
    return line;
  }
  if (optind >= argc || argc - optind > 2) return fail(std::string("one host is to be named\n") + kHelp);
  const std::string name = argv[optind];
  if (const auto remote = parse_remote_name(name, "sftp", line.flags.problem)) {
    line.flags.invocation.destination = remote->destination;
    line.path = remote->path;
    if (!remote->port.empty()) line.flags.invocation.lines.push_back("Port " + remote->port);
  } else {
    if (!line.flags.problem.empty()) return fail(line.flags.problem);
    line.flags.invocation.destination = name;
  }
  if (optind + 1 < argc) line.local = argv[optind + 1];
  if (!line.batch_file.empty()) line.flags.invocation.lines.push_back("BatchMode yes");
  line.flags.finish();
  return line;
}

int run(CommandLine& line) {
  FILE* input = stdin;
  const bool batch = !line.batch_file.empty();
  if (batch && line.batch_file != "-" && !(input = std::fopen(line.batch_file.c_str(), "re"))) {
    return complain(line.batch_file + ": " + std::strerror(errno)), 1;
  }
  const bool quiet = (line.flags.quiet || batch) && !line.loud;
  const auto connection = SftpConnection::open(line.flags.invocation, line.flags);
  if (!connection) return kNoConnection;
  catch_interrupts();
  RemoteFiles& files = connection->files();
  ProgressMeter meter(!quiet && ::isatty(STDOUT_FILENO));
  FileCopier copier(files, {.meter = &meter,
                            .limit = line.flags.limit(),
                            .interrupted = interrupted,
                            .complain = [](const std::string& what) {
                              std::fflush(stdout);
                              std::fprintf(stderr, "%s\n", what.c_str());
                            }});
  const bool interactive = !batch && ::isatty(STDIN_FILENO);
  ConsoleSettings settings{
      .quiet = quiet, .batch = batch, .echo = !interactive, .copies = {}, .toggle_progress = [&meter] {
        std::printf("Progress meter %s\n", meter.toggle() ? "enabled" : "disabled");
      }};
  settings.why_lost = [&connection] { return connection->why_lost(); };
  settings.copies.preserve = line.flags.preserve;
  settings.copies.recursive = line.flags.recursive;
  settings.copies.resume = line.resume;
  settings.copies.sync = line.sync;
  SftpConsole console(files, copier, settings);
  if (!quiet) std::fprintf(stderr, "Connected to %s.\n", fit_for_terminal(connection->host()).c_str());
  const auto status = [&](bool good) { return files.client().gone() ? kNoConnection : good ? 0 : 1; };
  if (!line.path.empty()) {
    bool fetched = false;
    const bool good = console.begin_at(line.path, line.local, fetched);
    if (fetched || !good) return status(good);
  }
  const auto lines = batch || !interactive
                         ? make_line_reader(::fileno(input), "")
                         : make_line_editor("sftp> ", [&](std::string_view typed) { return console.complete(typed); });
  return status(console.run(*lines));
}

}  // namespace

int run_sftp(int argc, char** argv) {
  auto line = parse(argc, argv);
  if (!line) return complain(line.error()), 1;
  if (line->help) return std::fputs(kHelp, stdout), 0;
  return run(*line);
}

}  // namespace sluice
