// Parsing by a table of option and what it does with its value.
#include "apps/sluice_offload/options.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <sstream>
#include <string_view>

#include "crypto_offload/cipher_suite.h"

namespace sluice::offload {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out(1, '"');
  out.append(text).push_back('"');
  return out;
}

// The error's text, or nothing.
using Complaint = std::string;

Complaint number(std::string_view text, uint32_t least, uint32_t most, uint32_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size() && out >= least && out <= most) return {};
  return quoted(text) + " is no number from " + std::to_string(least) + " to " + std::to_string(most);
}

Complaint numbers(const std::string& text, uint32_t least, uint32_t most, std::vector<uint32_t>& out) {
  out.clear();
  for (const std::string& word : split(text, ',')) {
    out.push_back(0);
    if (auto why = number(word, least, most, out.back()); !why.empty()) return why;
  }
  return out.empty() ? "no number is given" : Complaint{};
}

Complaint suites(const std::string& text, std::vector<std::string>& out) {
  for (const std::string& name : split(text, ',')) {
    const CipherSuite* suite = find_suite(name);
    if (suite == nullptr || !suite->negotiable) {
      return "there is no suite " + quoted(name) + "; they are named like aes128-gcm and aes256-ctr+hmac-sha2-256-etm";
    }
    out.push_back(name);
  }
  return {};
}

Complaint directions(const std::string& text, std::vector<Direction>& out) {
  if (text == "seal") {
    out = {Direction::seal};
  } else if (text == "open") {
    out = {Direction::open};
  } else if (text != "both") {
    return quoted(text) + " is none of seal, open and both";
  }
  return {};
}

Complaint handoff(const std::string& text, Handoff& out) {
  constexpr std::string_view kNames[] = {"direct", "in-dst", "bounced"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (text == kNames[i]) return out = static_cast<Handoff>(i), Complaint{};
  }
  return quoted(text) + " is none of direct, in-dst and bounced";
}

Complaint seconds(const std::string& text, double& out) {
  std::istringstream in(text);
  if (in >> out && in.eof() && out > 0 && out <= 3600) return {};
  return quoted(text) + " is no number of seconds up to 3600";
}

struct Row {
  std::string_view name;
  bool takes_value;
  std::function<Complaint(Options&, const std::string&)> apply;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows{
      {"--json", false, [](Options& o, const std::string&) { return o.json = true, Complaint{}; }},
      {"--engine", false, [](Options& o, const std::string&) { return o.as_engine = true, Complaint{}; }},
      {"--pci", false, [](Options& o, const std::string&) { return o.pci = true, Complaint{}; }},
      {"--device", true, [](Options& o, const std::string& v) { return o.devices.push_back(v), Complaint{}; }},
      {"--vdev", true, [](Options& o, const std::string& v) { return o.dpdk.devices.push_back(v), Complaint{}; }},
      {"--eal", true,
       [](Options& o, const std::string& v) {
         for (auto& word : split(v, ' ')) o.dpdk.eal_args.push_back(std::move(word));
         return Complaint{};
       }},
      {"--memory", true, [](Options& o, const std::string& v) { return number(v, 32, 65536, o.dpdk.memory_mb); }},
      {"--handoff", true, [](Options& o, const std::string& v) { return handoff(v, o.dpdk.handoff); }},
      {"--suite", true, [](Options& o, const std::string& v) { return suites(v, o.suites); }},
      {"--size", true, [](Options& o, const std::string& v) { return numbers(v, 1, kMaxPayload, o.sizes); }},
      {"--batch", true, [](Options& o, const std::string& v) { return numbers(v, 1, 256, o.batches); }},
      {"--direction", true, [](Options& o, const std::string& v) { return directions(v, o.directions); }},
      {"--seconds", true, [](Options& o, const std::string& v) { return seconds(v, o.seconds); }},
  };
  return kRows;
}

ResultOrText<Command> command(std::string_view word) {
  if (word == "list") return Command::list;
  if (word == "bench") return Command::bench;
  if (word == "verify") return Command::verify;
  if (word == "engine-conf") return Command::engine_conf;
  if (word == "help" || word == "--help" || word == "-h") return Command::help;
  return fail(quoted(word) + " is none of list, bench, verify and engine-conf");
}

}  // namespace

bool Options::wants_dpdk() const {
  if (pci || !dpdk.devices.empty() || !dpdk.eal_args.empty()) return true;
  return std::any_of(devices.begin(), devices.end(), [](const auto& name) { return name.starts_with("cryptodev"); });
}

ResultOrText<Options> parse_options(int argc, char** argv) {
  Options options;
  if (argc < 2) return fail("say what to do: list, bench, verify or engine-conf");
  const auto what = command(argv[1]);
  if (!what) return fail(what.error());
  options.command = *what;
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      options.command = Command::help;
      return options;
    }
    const size_t equals = std::min(word.find('='), word.size());
    const auto row =
        std::find_if(rows().begin(), rows().end(), [&](const Row& r) { return r.name == word.substr(0, equals); });
    if (row == rows().end()) return fail("there is no option " + std::string(word));
    std::string value;
    if (row->takes_value && equals < word.size()) {
      value = word.substr(equals + 1);
    } else if (row->takes_value) {
      if (++i == argc) return fail(std::string(row->name) + " wants a value");
      value = argv[i];
    } else if (equals < word.size()) {
      return fail(std::string(row->name) + " takes no value");
    }
    if (auto why = row->apply(options, value); !why.empty()) return fail(std::string(row->name) + ": " + why);
  }
  return options;
}

std::string usage() {
  return "usage: sluice-offload list   [--json] [device options] [--suite S,...]\n"
         "       sluice-offload bench  [--json] [device options] [--suite S,...] [--size BYTES,...] [--batch N,...]\n"
         "                             [--direction seal|open|both] [--seconds S]\n"
         "       sluice-offload verify [--json] [device options] [--suite S,...]\n"
         "       sluice-offload engine-conf [--engine] [--device NAME]\n"
         "                             an openssl.cnf by which other programs use Sluice's provider, or its ENGINE\n"
         "device options:\n"
         "  --device NAME   a driver: ipsec_mb, openssl, openssl:ENGINE, cryptodev:DEVICE; may be repeated.\n"
         "                  Without it: all software drivers, and the DPDK devices that the options below bring in\n"
         "  --vdev SPEC     a DPDK device to make at start, e.g. crypto_aesni_mb; may be repeated\n"
         "  --pci           look for PCI devices, those bound to vfio-pci\n"
         "  --eal \"ARGS\"    further options of EAL\n"
         "  --memory MB     what EAL may take (192)\n"
         "  --handoff HOW   direct, in-dst or bounced: the least direct way to hand records over\n"
         "exit status: 0 fine, 1 a device gave a wrong answer or an error, 2 usage, 3 a device is not available\n";
}

}  // namespace sluice::offload
