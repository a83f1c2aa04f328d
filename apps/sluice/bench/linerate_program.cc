// sluice bench linerate: suite by suite, size by size, driver by driver, in turn.
#include <array>
#include <cstdio>
#include <map>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/bench_programs.h"
#include "apps/sluice/bench/line_rate.h"
#include "apps/sluice/bench/port_rate.h"
#include "apps/sluice/bench/wire_serving.h"
#include "base/log.h"
#include "base/plain_text.h"
#include "drivers/dpdk_module.h"
#include "drivers/driver_registry.h"

namespace sluice::bench {
namespace {

constexpr const char* kHelp = R"(usage: sluice bench linerate [FLAG]...
The record layer on one core: records a second, Gb/s of payload and of the wire,
cycles a byte, latencies under load, and the cores that a link of 10 to 400 GbE
would need one way. Without a network, or with a port in the loop.
  --suite LIST      aes128-gcm,chacha20-poly1305 ... (five of them), or all
  --payload LIST    bytes, 1 to 64512 (64,1400,4096,16384,32768,64512)
  --driver LIST     auto (what sluice takes), ipsec_mb, openssl, null,
                    openssl:ENGINE, cryptodev:DEVICE as sluice-offload has them
  --direction seal|open     one of them only
  --load LIST       percent of the full rate at which latencies of sealing are
                    taken (10,50,90); none: 0
  --batch N         records at hand at most (32)
  --mtu N           of the wire, and of the port (1500)
  --port-dev NAME   records go by TCP over that port to a far end, or come from
                    there: memif, vhost or kernel (sockets) make both ends here;
                    else a device of DPDK (a PCI address, net_tap0,iface=NAME)
  --port-address A/LENGTH --port-gateway A     of such a device
  --peer A          the far end: sluice bench linerate --serve --port-dev ...
  --serve           be that far end, until a signal
  --seconds S --rounds N     of each figure and round (0.2); (3)
  --least-gbps N    limit: payload of every row, by the medians
  --json FILE --html FILE --plain -q     as for all (sluice bench --help)
Exit status: 0 within the limit; 1 not; 2 usage; 3 a driver is not available.
)";

constexpr std::array<double, 6> kLinks{10, 25, 40, 100, 200, 400};

struct Plan {
  std::vector<std::string> suites{"aes128-gcm", "aes256-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-256-etm",
                                  "aes256-ctr+hmac-sha2-512-etm"};
  std::vector<uint64_t> payloads{64, 1400, 4096, 16384, 32768, 64512};
  std::vector<std::string> drivers{"auto"};
  std::vector<Direction> directions{Direction::seal, Direction::open};
  std::vector<uint64_t> loads{10, 50, 90};
  std::string direction;
  uint64_t batch = 32, rounds = 3, mtu = 1500;
  double seconds = 0.2, least_gbps = -1;
  PortPlan port;
  bool serve = false;

  bool has_port() const { return !port.device.empty(); }
};

// One point of the matrix.
struct Point4 {
  const CipherSuite* suite;
  uint32_t payload;
  std::string driver;
  Direction direction;
  std::string over = {};  // of a port: " over memif"
  std::string skipped = {};
  std::string name() const {
    return std::string(direction == Direction::seal ? "seal " : "open ") + suite->name() + " " +
           std::to_string(payload) + " " + driver + over;
  }
};

// Why a driver cannot take such records; empty: it can.
std::string unfit(const Point4& point, CryptoDriver* driver) {
  if (driver == nullptr) return {};
  const Support support = driver->supports(*point.suite);
  if (!support.yes) return support.reason;
  return record_length(*point.suite, point.payload) <= support.longest
             ? ""
             : "such a record is longer than " + std::to_string(support.longest) + " bytes";
}

ResultOrText<std::vector<Point4>> points_of(const Plan& plan) {
  std::map<std::string, std::unique_ptr<CryptoDriver>> drivers;
  for (const std::string& name : plan.drivers) {
    if (name == "auto" || name == "null") continue;
    auto driver = make_driver(name);
    if (!driver) return fail("--driver " + name + ": " + driver.error());
    drivers[name] = std::move(*driver);
  }
  std::vector<Point4> points;
  for (const CipherSuite& suite : cipher_suites()) {
    const bool all = plan.suites == std::vector<std::string>{"all"} && suite.negotiable;
    if (!all && std::find(plan.suites.begin(), plan.suites.end(), suite.name()) == plan.suites.end()) continue;
    for (const uint64_t payload : plan.payloads) {
      for (const Direction direction : plan.directions) {
        for (const std::string& driver : plan.drivers) {
          Point4 point{&suite, static_cast<uint32_t>(payload), driver, direction};
          if (plan.has_port()) point.over = " over " + plan.port.device.substr(0, plan.port.device.find(','));
          point.skipped = unfit(point, drivers[driver].get());
          points.push_back(std::move(point));
        }
      }
    }
  }
  return points;
}

void note_rate(const Plan& plan, const Point4& point, const RecordRate& rate, Row& row) {
  const auto add = [&](const std::string& name, const char* unit, Better better, double value) {
    row.measure(name, unit, better).rounds.push_back(value);
  };
  const double wire = wire_bits(*point.suite, point.payload, rate.records_per_second, {static_cast<double>(plan.mtu)});
  add("payload", "Gb/s", Better::higher, rate.records_per_second * point.payload * 8e-9);
  add("wire", "Gb/s", Better::higher, wire * 1e-9);
  add("records", "1/s", Better::higher, rate.records_per_second);
  add("cycles a byte", "", Better::lower, rate.cycles_per_byte);
  for (const double link : kLinks)
    add("cores for " + figure(link) + " GbE", "", Better::lower, cores_for(link * 1e9, wire));
}

// The record layer alone, or with a port in its loop.
class Source {
 public:
  Source(const Plan& plan, PortRate* port) : plan_(plan), port_(port) {}
  ResultOrText<RecordRate> rate(const Point4& point) const {
    if (port_ == nullptr)
      return measure_records(*point.suite, point.direction, point.payload, point.driver, plan_.batch, plan_.seconds);
    return port_->measure({point.suite, point.payload, point.driver}, point.direction, plan_.seconds);
  }
  ResultOrText<std::vector<double>> latencies(const Point4& point, double per_second) const {
    if (port_ == nullptr)
      return seal_latencies(*point.suite, point.payload, point.driver, plan_.batch, per_second, plan_.seconds);
    return port_->seal_latencies({point.suite, point.payload, point.driver}, per_second, plan_.seconds);
  }

 private:
  const Plan& plan_;
  PortRate* port_;
};

ResultOrText<void> note_latencies(const Plan& plan, const Source& source, const Point4& point, double full, Row& row,
                                  RunReport& report, bool last) {
  Plot plot{"latency of sealing, " + point.suite->name() + ", " + std::to_string(point.payload) + " bytes, " +
                point.driver + point.over,
            "us",
            "share",
            PlotStyle::lines,
            true,
            {},
            {}};
  for (const uint64_t load : plan.loads) {
    if (load == 0) continue;
    auto measured = source.latencies(point, full * static_cast<double>(load) / 100);
    if (!measured) return fail(measured.error());
    std::vector<double> taken = std::move(*measured);
    for (double& ns : taken) ns *= 1e-3;
    if (taken.empty()) continue;  // not one record came in so short a time
    const std::string at = "at " + std::to_string(load) + " % load";
    for (const auto& [name, share] : {std::pair{" p50", 0.5}, {" p99", 0.99}, {" p99.9", 0.999}, {" max", 1.0}})
      row.measure(at + name, "us", Better::lower).rounds.push_back(quantile_of(taken, share));
    plot.curves.push_back({at, distribution_of(std::move(taken), 200)});
  }
  // Of each suite one plot is enough to look at: the largest payload's, as the figures have all.
  if (last && !plot.curves.empty() && point.payload == plan.payloads.back()) report.plots.push_back(std::move(plot));
  return {};
}

void plot_by_size(const Plan& plan, const std::vector<Point4>& points, RunReport& report) {
  for (const Direction direction : plan.directions) {
    Plot plot{std::string(direction == Direction::seal ? "sealing" : "opening") + " by payload, one core",
              "payload, bytes",
              "Gb/s of payload",
              PlotStyle::lines,
              true,
              {},
              {}};
    for (const Point4& point : points) {
      if (point.direction != direction || !point.skipped.empty()) continue;
      const std::string name = point.suite->name() + " " + point.driver + point.over;
      if (plot.curves.empty() || plot.curves.back().name != name) {
        const auto at =
            std::find_if(plot.curves.begin(), plot.curves.end(), [&](const auto& c) { return c.name == name; });
        if (at == plot.curves.end()) plot.curves.push_back({name, {}});
      }
      const Measure* payload = report.row(point.name()).find("payload");
      if (payload == nullptr) continue;
      const auto at =
          std::find_if(plot.curves.begin(), plot.curves.end(), [&](const auto& c) { return c.name == name; });
      at->points.push_back({static_cast<double>(point.payload), spread_of(payload->rounds).median});
    }
    report.plots.push_back(std::move(plot));
  }
}

ResultOrText<void> measure_point(const Plan& plan, const Source& source, const Point4& point, bool last,
                                 RunReport& report, LiveView& view) {
  view.now(point.name());
  const auto rate = source.rate(point);
  if (!rate) return fail(rate.error());
  Row& row = report.row(point.name());
  note_rate(plan, point, *rate, row);
  view.step(row.name, row.find("payload")->rounds.back(), "Gb/s");
  if (point.direction == Direction::open) return {};
  return note_latencies(plan, source, point, rate->records_per_second, row, report, last);
}

// What fails ends the run: behind it is a port or a far end that the other rows need too.
void measure(const Plan& plan, const Source& source, const std::vector<Point4>& points, RunReport& report,
             LiveView& view) {
  size_t steps = 0;
  for (const Point4& point : points) {
    report.row(point.name()).skipped = point.skipped;
    steps += point.skipped.empty();
  }
  view.begin("sluice bench linerate: " + std::to_string(steps) + " rows", steps * plan.rounds);
  for (uint64_t round = 0; round < plan.rounds && report.failures.empty(); ++round) {
    for (const Point4& point : points) {
      if (!point.skipped.empty() || !report.failures.empty()) continue;
      const auto done = measure_point(plan, source, point, round + 1 == plan.rounds, report, view);
      if (!done) report.failures.push_back(point.name() + ": " + terminal_text(done.error()));
    }
  }
  plot_by_size(plan, points, report);
  if (plan.least_gbps < 0) return;
  // What no driver could do has not reached a limit.
  for (const Row& row : report.rows) {
    const Measure* payload = row.find("payload");
    report.verdicts.push_back(
        {row.name, payload ? std::optional(spread_of(payload->rounds).median) : std::nullopt, plan.least_gbps, true});
  }
}

// What goes with a port, and what does not.
ResultOrText<void> complete_port(Plan& plan) {
  PortPlan& port = plan.port;
  port.mtu = plan.mtu;
  const bool wanted = plan.serve || !port.address.empty() || !port.gateway.empty() || !port.peer.empty();
  if (!plan.has_port()) {
    if (wanted) return fail("--port-dev is missing: memif, vhost, kernel, or a device of DPDK");
    return {};
  }
  if (!plan.serve && port.has_own_far_end()) {
    if (wanted) return fail("--port-dev " + port.device + " makes both ends by itself: no address, gateway or peer");
  } else if (port.address.empty()) {
    return fail("--port-address is missing: the device's own, as 192.0.2.1/24");
  } else if (!plan.serve && port.peer.empty()) {
    return fail("--peer is missing: the address of the far end, which runs sluice bench linerate --serve");
  }
  for (const std::string& name : plan.drivers) {
    if (name.find(':') != std::string::npos)
      return fail("--driver " + name + ": with a port auto, ipsec_mb, openssl or null are to be had");
  }
  return {};
}

ResultOrText<void> complete(Plan& plan) {
  for (const std::string& name : plan.suites) {
    const CipherSuite* suite = find_suite(name);
    if (name != "all" && (suite == nullptr || !suite->negotiable))
      return fail("--suite: there is no suite \"" + name + "\"; they are named like aes128-gcm");
  }
  if (plan.direction == "seal") plan.directions = {Direction::seal};
  if (plan.direction == "open") plan.directions = {Direction::open};
  if (!plan.direction.empty() && plan.directions.size() != 1) return fail("--direction: seal or open");
  if (auto fine = complete_port(plan); !fine || plan.has_port()) return fine;
  DpdkSettings settings;
  for (const std::string& name : plan.drivers) {
    if (name.starts_with("cryptodev:")) settings.devices.push_back(name.substr(name.find(':') + 1));
  }
  set_dpdk_settings(std::move(settings));
  return {};
}

}  // namespace

int run_linerate(int argc, char** argv) {
  CommonFlags common;
  Plan plan;
  const auto rest =
      parse_flags(argc, argv, common,
                  {flag_list("--suite", plan.suites), flag_counts("--payload", 1, kMaxPayload, plan.payloads),
                   flag_list("--driver", plan.drivers), flag_text("--direction", plan.direction),
                   flag_counts("--load", 0, 99, plan.loads), flag_count("--batch", 1, 32, plan.batch),
                   flag_count("--mtu", 576, 9216, plan.mtu), flag_decimal("--seconds", 0.001, 3600, plan.seconds),
                   flag_count("--rounds", 1, 1000, plan.rounds), flag_decimal("--least-gbps", 0, 1e6, plan.least_gbps),
                   flag_text("--port-dev", plan.port.device), flag_text("--port-address", plan.port.address),
                   flag_text("--port-gateway", plan.port.gateway), flag_count("--port-mtu", 576, 9216, plan.mtu),
                   flag_text("--peer", plan.port.peer), flag_switch("--serve", plan.serve)});
  if (!rest) return complain("linerate", rest.error(), kUsage);
  if (common.help) return std::fputs(kHelp, stdout), kPassed;
  if (!rest->empty()) return complain("linerate", rest->front() + ": flags only; --help lists them", kUsage);
  if (auto fine = complete(plan); !fine) return complain("linerate", fine.error(), kUsage);
  // What the port is stands in the result.
  set_log_level(LogLevel::warning);
  if (plan.serve) return serve_records({plan.port.device, plan.port.address, plan.port.gateway, plan.mtu});
  const auto points = points_of(plan);
  if (!points) return complain("linerate", points.error(), kNotAvailable);
  std::unique_ptr<PortRate> port;
  if (plan.has_port()) {
    auto opened = PortRate::open(plan.port);
    if (!opened) return complain("linerate", opened.error(), kNotAvailable);
    port = std::move(*opened);
  }
  if (auto why = why_unwritable(common); !why.empty()) return complain("linerate", why, kUsage);
  RunReport report = begin_report("linerate");
  report.compact = true;
  std::vector<std::string> payloads;
  for (const uint64_t payload : plan.payloads) payloads.push_back(std::to_string(payload));
  report.settings = {{"suites", join(plan.suites, ", ")},    {"payloads", join(payloads, ", ")},
                     {"drivers", join(plan.drivers, ", ")},  {"records at hand", std::to_string(plan.batch)},
                     {"MTU", std::to_string(plan.mtu)},      {"seconds", figure(plan.seconds)},
                     {"rounds", std::to_string(plan.rounds)}};
  if (port) report.settings.push_back({"port", port->about()});
  {
    LiveView view(manner_of(common), stderr);
    measure(plan, Source(plan, port.get()), *points, report, view);
  }
  return finish_report(report, common);
}

}  // namespace sluice::bench
