// sluice: which of its programs is meant: by the first word, or by the name of the link that it was called by.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "apps/sluice/programs.h"

namespace {

struct Program {
  std::string_view name;
  int (*run)(int, char**);
  const char* summary;
};

constexpr Program kPrograms[] = {
    {"ssh", sluice::run_ssh, "a shell or a command on another machine; forwarding"},
    {"scp", sluice::run_scp, "files to another machine and from it, in one command"},
    {"sftp", sluice::run_sftp, "a prompt for files on another machine"},
    {"cp", sluice::run_cp, "files and trees to, from and between machines: the fastest way"},
    {"bench", sluice::run_bench, "how fast all of this is here, beside the programs of others"},
};

const Program* find(std::string_view name) {
  for (const Program& program : kPrograms) {
    if (program.name == name) return &program;
  }
  return nullptr;
}

// "sluice-ssh" as well as "ssh", whatever folder the link is in.
const Program* find_by_link(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  constexpr std::string_view kPrefix = "sluice-";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return find(name);
}

struct PortFlag {
  std::string_view flag;
  std::string_view option;
};

constexpr PortFlag kPortFlags[] = {{"--port-dev", "PortDevice"},       {"--port-address", "PortAddress"},
                                   {"--port-gateway", "PortGateway"},  {"--port-mtu", "PortMtu"},
                                   {"--port-eal", "PortEalArguments"}, {"--port-capture", "PortCapture"}};

// The flags of a port are alike for every program and stand first: each becomes an option. What stands behind other
// words may belong to a command there.
int run(const Program& program, int argc, char** argv) {
  // getopt's users keep pointers into what they are given.
  static std::deque<std::string> texts;
  std::vector<char*> words{argv[0]};
  int at = 1;
  while (at < argc) {
    const std::string_view word = argv[at];
    const std::string_view flag = word.substr(0, word.find('='));
    const auto* found = std::find_if(std::begin(kPortFlags), std::end(kPortFlags),
                                     [&](const PortFlag& each) { return each.flag == flag; });
    if (found == std::end(kPortFlags)) break;
    const bool joined = flag.size() < word.size();
    if (!joined && at + 1 >= argc) {
      std::fprintf(stderr, "sluice: %s wants a value\n", argv[at]);
      return 255;
    }
    const std::string_view value = joined ? word.substr(flag.size() + 1) : argv[at + 1];
    at += joined ? 1 : 2;
    words.push_back(texts.emplace_back("-o").data());
    words.push_back(texts.emplace_back(std::string(found->option).append("=").append(value)).data());
  }
  words.insert(words.end(), argv + at, argv + argc);
  const int count = static_cast<int>(words.size());
  words.push_back(nullptr);
  return program.run(count, words.data());
}

int help(FILE* to, int code) {
  std::fputs("usage: sluice PROGRAM [ARGUMENT]...\n\n", to);
  for (const Program& program : kPrograms) {
    std::fprintf(to, "  %-6.*s %s\n", static_cast<int>(program.name.size()), program.name.data(), program.summary);
  }
  std::fputs(
      "\n`sluice PROGRAM --help` tells more. A link to this file by the name sluice-ssh\nis `sluice ssh`, and so on. "
      "See sluice(1).\n\nOver a port of DPDK instead of kernel sockets, before a program's other flags:\n"
      "--port-dev DEVICE --port-address A/LENGTH [--port-gateway A] [--port-mtu N]\n"
      "[--port-eal WORDS] [--port-capture FILE]\n",
      to);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 1) return 255;
  if (const Program* program = find_by_link(argv[0])) return run(*program, argc, argv);
  if (argc < 2) return help(stderr, 255);
  const std::string_view word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") return help(stdout, 0);
  if (word == "--version" || word == "-V") return std::puts("sluice 0.1.0"), 0;
  if (const Program* program = find(word)) return run(*program, argc - 1, argv + 1);
  std::fprintf(stderr, "sluice: %s: no such program\n", argv[1]);
  return help(stderr, 255);
}
