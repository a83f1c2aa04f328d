// getopt_long, and the forms of a place.
#include "apps/sluice/cp_command_line.h"

#include <getopt.h>

#include <charconv>

namespace sluice {

const char* const kCpHelp =
    R"(usage: sluice cp [FLAG]... SOURCE... TARGET
Each is a path here, [user@]HOST:PATH, or sftp://[user@]HOST[:PORT]/PATH.
  -r -p -L           directories too; keep times and modes; what links point to
  -u                 leave out what is there with equal size and time (after -p)
  -n N               over N connections (usually as many as turn out to pay)
  --verify           compare both ends before the new file gets its name
  --restart          trust nothing that a copy which was cut has left
  --bwlimit RATE     at most so many bytes a second: 500k, 10M, 1G
  --exclude PATTERN  leave out names, or paths with a slash; may be repeated
  --dry-run          only say what would be copied
  -q -v --json       say nothing; say more; say it as JSON, a line an event
  -P PORT -l USER -i KEY -J HOST -o OPTION=VALUE -F FILE -c CIPHERS -4 -6
                     as sluice ssh has them (-P is its -p)
A file is written beside its target as .NAME.*.part and renamed when whole.
After a cut the same command goes on where it was. SIGUSR1 shows how far it is.
Exit status: 0; 1 not all was copied; 255 no connection. See sluice-cp(1).
)";

namespace {

constexpr const char* kFlags = "rpLun:qvP:l:i:J:o:F:c:46BCh";
enum Long : int { kVerify = 256, kRestart, kLimit, kExclude, kDryRun, kJson, kHelp };
constexpr option kLong[] = {{"verify", no_argument, nullptr, kVerify},
                            {"restart", no_argument, nullptr, kRestart},
                            {"bwlimit", required_argument, nullptr, kLimit},
                            {"exclude", required_argument, nullptr, kExclude},
                            {"dry-run", no_argument, nullptr, kDryRun},
                            {"json", no_argument, nullptr, kJson},
                            {"help", no_argument, nullptr, kHelp},
                            {"recursive", no_argument, nullptr, 'r'},
                            {"preserve", no_argument, nullptr, 'p'},
                            {"update", no_argument, nullptr, 'u'},
                            {"quiet", no_argument, nullptr, 'q'},
                            {nullptr, 0, nullptr, 0}};
constexpr size_t kMostConnections = 64;

class Parser {
 public:
  ResultOrText<CpCommandLine> parse(int argc, char** argv) {
    optind = 0;
    opterr = 0;
    for (int flag; (flag = ::getopt_long(argc, argv, kFlags, kLong, nullptr)) != -1 && problem_.empty();) {
      if (flag == '?') {
        problem_ = "unknown flag, or one without its value: " + std::string(argv[optind - 1]) +
                   "\nsluice cp --help lists them";
      } else {
        take(flag, optarg ? optarg : "");
      }
    }
    if (!problem_.empty()) return fail(problem_);
    if (out_.help) return std::move(out_);
    if (argc - optind < 2) return fail("a source and a target are needed\n" + std::string(kCpHelp));
    for (int i = optind; i < argc; ++i) {
      auto place = parse_cp_place(argv[i]);
      if (!place) return fail(place.error());
      out_.sources.push_back(std::move(*place));
    }
    out_.target = std::move(out_.sources.back());
    out_.sources.pop_back();
    bool any = out_.target.remote();
    for (const CpPlace& source : out_.sources) any = any || source.remote();
    if (!any) return fail("all of these are here: cp(1) copies them (a name with a colon is written ./NAME)");
    return std::move(out_);
  }

 private:
  void say(std::string line) { out_.lines.push_back(std::move(line)); }

  void take(int flag, const std::string& value) {
    switch (flag) {
      case 'r': out_.copy.recursive = true; break;
      case 'p': out_.copy.preserve = true; break;
      case 'L': out_.copy.follow = true; break;
      case 'u': out_.copy.update = true; break;
      case 'n': take_connections(value); break;
      case 'q': out_.show = CpShow::quiet; break;
      case 'v': ++out_.verbosity; break;
      case kVerify: out_.copy.verify = true; break;
      case kRestart: out_.copy.resume = false; break;
      case kExclude: out_.copy.exclude.push_back(value); break;
      case kDryRun: out_.copy.dry_run = true; break;
      case kJson: out_.show = CpShow::json; break;
      case kLimit: take_limit(value); break;
      case 'h':
      case kHelp: out_.help = true; break;
      case 'B': say("BatchMode yes"); break;
      case 'F': out_.config_file = value; break;
      default: take_connection_flag(flag, value);
    }
  }

  void take_connection_flag(int flag, const std::string& value) {
    switch (flag) {
      case 'P': say("Port " + value); break;
      case 'l': say("User " + value); break;
      case 'i': out_.key_files.push_back(value); break;
      case 'J': say("ProxyJump " + value); break;
      case 'o': say(value); break;
      case 'c': say("Ciphers " + value); break;
      case 'C': say("Compression yes"); break;
      case '4': say("AddressFamily inet"); break;
      case '6': say("AddressFamily inet6"); break;
      default: problem_ = "unknown flag"; break;
    }
  }

  void take_connections(const std::string& value) {
    size_t n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error != std::errc() || *end != '\0' || n == 0 || n > kMostConnections)
      problem_ = "-n wants a number of connections from 1 to " + std::to_string(kMostConnections);
    out_.copy.connections = n;
  }

  void take_limit(const std::string& value) {
    const auto rate = parse_byte_rate(value);
    if (!rate) {
      problem_ = "--bwlimit: " + rate.error();
    } else {
      out_.copy.limit = std::make_shared<RateLimit>(*rate);
    }
  }

  CpCommandLine out_;
  std::string problem_;
};

// The path of a URI: relative to the user's home, absolute where it begins with two slashes.
ResultOrText<CpPlace> parse_uri(std::string_view text, size_t scheme) {
  std::string_view rest = text.substr(scheme);
  const size_t slash = std::min(rest.find('/'), rest.size());
  CpPlace place;
  place.destination = "ssh://" + std::string(rest.substr(0, slash));
  if (slash == 0) return fail(std::string(text) + ": no host is named");
  rest.remove_prefix(std::min(slash + 1, rest.size()));
  place.path = std::string(rest);
  return place;
}

}  // namespace

ResultOrText<CpPlace> parse_cp_place(std::string_view text) {
  for (const std::string_view scheme : {"sftp://", "scp://", "ssh://"}) {
    if (text.starts_with(scheme)) return parse_uri(text, scheme.size());
  }
  CpPlace place;
  // A colon behind a slash belongs to a name.
  const size_t slash = std::min(text.find('/'), text.size());
  size_t from = 0;
  if (const size_t bracket = text.find('['); bracket < slash) {
    from = std::min(text.find(']', bracket), text.size());
  }
  const size_t colon = text.find(':', from);
  if (colon == std::string_view::npos || colon > slash) {
    place.path = std::string(text);
    if (place.path.empty()) return fail("an empty path");
    return place;
  }
  if (colon == 0) return fail(std::string(text) + ": no host is named");
  place.destination = std::string(text.substr(0, colon));
  std::erase(place.destination, '[');
  std::erase(place.destination, ']');
  place.path = std::string(text.substr(colon + 1));
  // Where relative paths begin anyway.
  if (place.path == "~") place.path.clear();
  if (place.path.starts_with("~/")) place.path.erase(0, 2);
  return place;
}

ResultOrText<uint64_t> parse_byte_rate(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number <= 0) return fail("a rate is a number and k, M or G: 500k, 10M");
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  double scale = 1024;
  if (unit.starts_with('k') || unit.starts_with('K')) {
    unit.remove_prefix(1);
  } else if (unit.starts_with('m') || unit.starts_with('M')) {
    scale *= 1024, unit.remove_prefix(1);
  } else if (unit.starts_with('g') || unit.starts_with('G')) {
    scale *= 1024.0 * 1024.0, unit.remove_prefix(1);
  }
  if (unit == "B" || unit == "iB") unit = {};
  const double rate = number * scale;
  if (!unit.empty() || rate < 1 || rate > 1e15) return fail("a rate is a number and k, M or G: 500k, 10M");
  return static_cast<uint64_t>(rate);
}

ResultOrText<CpCommandLine> parse_cp_command_line(int argc, char** argv) { return Parser().parse(argc, argv); }

}  // namespace sluice
