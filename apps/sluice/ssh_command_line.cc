// getopt twice: before the host and behind it, as people write.
#include "apps/sluice/ssh_command_line.h"

#include <getopt.h>

#include <cstring>

#include "control/keys/words.h"

namespace sluice {

const char* const kSshHelp =
    R"(usage: sluice ssh [FLAG]... [user@]HOST [COMMAND [ARGUMENT]...]
       sluice ssh -G HOST | -Q KIND | -O ORDER HOST | -V
  -p PORT -l USER -i KEY    where, who, with which key (repeat -i for more)
  -o OPTION=VALUE -F FILE   any option of ssh_config(5); another file, or "none"
  -J HOST[,HOST]...         through these hosts
  -4 -6 -b ADDR -B DEVICE   IPv4 or IPv6 only; from this address, device or VRF
  -t -tt -T                 ask for a terminal, force one, ask for none
  -n -f -N -s               read nothing; to background; no command; subsystem
  -L [ADDR:]PORT:HOST:PORT  a port here leads there (or a socket's path)
  -R [ADDR:]PORT[:HOST:PORT]  a port there leads here; with no target: SOCKS
  -D [ADDR:]PORT            a SOCKS4/5 proxy here, through the server
  -W HOST:PORT              standard input and output are that connection
  -g -A -a                  forwarded ports for all; the agent, or not
  -X -Y -x                  X11, with limits; as a trusted program; not
  -M -S PATH                be a master at this socket
  -O ORDER                  tell one: check, forward, cancel, exit, stop
  -c CIPHERS -m MACS        algorithms in this order
  -Q KIND                   list them: cipher, mac, kex, key, sig, or help
  -e CHAR                   escape character, "none" for none (~? shows its use)
  -v -q -E FILE -y          tell more, nothing; to a file, to syslog
Exit status: the command's; 255 where the connection failed. See sluice-ssh(1).
)";

namespace {

constexpr const char* kFlags = "+1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYyh";

class Parser {
 public:
  Parser(int argc, char** argv) : argc_(argc), argv_(argv) {}

  ResultOrText<SshCommandLine> parse() {
    if (argc_ > 1 && std::strcmp(argv_[1], "--help") == 0) {
      out_.help = true;
      return std::move(out_);
    }
    opterr = 0;
    optind = 0;
    int at = take_flags(1);
    if (!problem_.empty()) return fail(problem_);
    if (out_.help || out_.version || !out_.query.empty()) return std::move(out_);
    if (at >= argc_) return fail("no host was named\n" + std::string(kSshHelp));
    out_.invocation.destination = argv_[at++];
    // Flags may follow the host; from the first other word on it is the command.
    if (at < argc_ && argv_[at][0] == '-' && !ended_) {
      at = take_flags(at);
      if (!problem_.empty()) return fail(problem_);
    }
    for (; at < argc_; ++at) out_.command.emplace_back(argv_[at]);
    finish();
    return std::move(out_);
  }

 private:
  void say(std::string line) { out_.invocation.lines.push_back(std::move(line)); }

  // Returns where the words begin that are no flags.
  int take_flags(int from) {
    // getopt skips the first word of what it is given.
    char** words = argv_ + from - 1;
    const int count = argc_ - from + 1;
    optind = 0;
    for (int flag; (flag = ::getopt(count, words, kFlags)) != -1 && problem_.empty();) {
      if (flag == '?') {
        const std::string name(1, static_cast<char>(optopt));
        const char* known = std::strchr(kFlags + 1, optopt);
        problem_ = known != nullptr && known[1] == ':' ? "-" + name + " wants a value"
                                                       : "unknown flag -" + name + "\nsluice ssh --help lists them";
      } else {
        take(flag, optarg ? optarg : "");
      }
    }
    if (optind > 1 && std::strcmp(words[optind - 1], "--") == 0) ended_ = true;
    return from - 1 + optind;
  }

  void take(int flag, const std::string& value) {
    switch (flag) {
      case '1':
        problem_ = "protocol 1 of SSH is not spoken any more: a server that has only that needs an update";
        break;
      case '2': break;
      case '4': say("AddressFamily inet"); break;
      case '6': say("AddressFamily inet6"); break;
      case 'a': say("ForwardAgent no"); break;
      case 'A': say("ForwardAgent yes"); break;
      case 'b': say("BindAddress " + value); break;
      case 'B': say("BindInterface " + value); break;
      case 'c': say("Ciphers " + value); break;
      case 'C': say("Compression yes"); break;
      case 'D': say("DynamicForward " + value); break;
      case 'e': say("EscapeChar " + value); break;
      case 'E': out_.log_file = value; break;
      case 'f': say("ForkAfterAuthentication yes"), say("StdinNull yes"); break;
      case 'F': out_.invocation.config_file = value; break;
      case 'g': say("GatewayPorts yes"); break;
      case 'G': out_.print_options = true; break;
      case 'h': out_.help = true; break;
      case 'i': out_.invocation.key_files.push_back(value); break;
      case 'I': problem_ = "-I: keys of PKCS#11 devices are used through ssh-agent: ssh-add -s " + value; break;
      case 'J': say("ProxyJump " + value); break;
      case 'k': say("GSSAPIDelegateCredentials no"); break;
      // Never: it is said why, and the other ways to log in are tried.
      case 'K': say("GSSAPIDelegateCredentials yes"); break;
      case 'P': say("Tag " + value); break;
      case 'l': say("User " + value); break;
      case 'L': say("LocalForward " + value); break;
      case 'm': say("MACs " + value); break;
      case 'M': ++masters_; break;
      case 'n': say("StdinNull yes"); break;
      case 'N': say("SessionType none"); break;
      case 'o': say(value); break;
      case 'O': out_.order = value; break;
      case 'p': say("Port " + value); break;
      case 'q': out_.quiet = true; break;
      case 'Q': out_.query = value; break;
      case 'R': say("RemoteForward " + value); break;
      case 's': out_.subsystem = true, say("SessionType subsystem"); break;
      case 'S': say("ControlPath \"" + value + "\""); break;
      case 't': ++terminals_; break;
      case 'T': say("RequestTTY no"); break;
      case 'v': ++out_.verbosity; break;
      case 'V': out_.version = true; break;
      case 'w': problem_ = "-w: tunnel devices are not built here"; break;
      case 'W': out_.stdio_target = value; break;
      case 'x': say("ForwardX11 no"); break;
      case 'X': say("ForwardX11 yes"); break;
      case 'y': out_.log_to_syslog = true; break;
      case 'Y': say("ForwardX11 yes"), say("ForwardX11Trusted yes"); break;
      default: break;
    }
  }

  void finish() {
    if (terminals_ > 0) say(terminals_ > 1 ? "RequestTTY force" : "RequestTTY yes");
    if (masters_ > 0) say(masters_ > 1 ? "ControlMaster ask" : "ControlMaster yes");
    if (out_.quiet) say("LogLevel quiet");
    if (out_.verbosity > 0) say("LogLevel debug" + std::to_string(std::min(out_.verbosity, 3)));
    if (!out_.stdio_target.empty()) {
      say("SessionType none"), say("ExitOnForwardFailure yes"), say("ClearAllForwardings yes"), say("RequestTTY no");
    }
  }

  int argc_;
  char** argv_;
  SshCommandLine out_;
  std::string problem_;
  int terminals_ = 0, masters_ = 0;
  bool ended_ = false;
};

}  // namespace

ResultOrText<SshCommandLine> parse_ssh_command_line(int argc, char** argv) { return Parser(argc, argv).parse(); }

}  // namespace sluice
