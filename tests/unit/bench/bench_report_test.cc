// Reports as JSON, as HTML and as gnuplot's script; the screen; flags; the account of processes.
#include <gtest/gtest.h>

#include <signal.h>

#include "apps/sluice/bench/child_process.h"
#include "apps/sluice/bench/flags.h"
#include "apps/sluice/bench/html_report.h"
#include "apps/sluice/bench/live_view.h"
#include "apps/sluice/bench/svg_plots.h"
#include "apps/sluice/bench/transfer_matrix.h"

namespace sluice::bench {
namespace {

RunReport sample() {
  RunReport report;
  report.kind = "transfer";
  report.began = "2026-01-02T03:04:05Z";
  report.machine.cpu = "A <CPU> & more";
  report.machine.versions = {{"sluice", "0.1.0"}};
  report.settings = {{"rounds", "3"}};
  report.row("put x").measure("throughput", "GB/s", Better::higher).rounds = {1.5, 2.5, 2};
  report.row("get x").skipped = "not installed";
  report.ratios.push_back({"ours : theirs", {2, 4, 3}});
  report.plots.push_back({"a \"title\"", "x", "y", PlotStyle::lines, false, {{"c", {{1, 2}, {3, 4}}}}, {}});
  report.verdicts.push_back({"errors", 0, 0, false});
  return report;
}

TEST(BenchReport, JSON_brings_back_what_compare_needs) {
  const auto back = report_from_json(to_json(sample()));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->kind, "transfer");
  EXPECT_EQ(back->machine.cpu, "A <CPU> & more");
  EXPECT_EQ(back->settings, sample().settings);
  const Row* row = back->find("put x");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->find("throughput")->rounds, (std::vector<double>{1.5, 2.5, 2}));
  EXPECT_EQ(row->find("throughput")->better, Better::higher);
  EXPECT_EQ(back->find("get x")->skipped, "not installed");
}

TEST(BenchReport, JSON_of_others_is_refused) {
  EXPECT_FALSE(report_from_json("{}"));
  EXPECT_FALSE(report_from_json("no json"));
  EXPECT_FALSE(report_from_json(R"({"program": "sluice bench", "format": 99})"));
}

TEST(BenchReport, JSON_has_medians_and_verdicts_for_whoever_reads_it_alone) {
  const auto value = parse_json(to_json(sample()));
  ASSERT_TRUE(value);
  EXPECT_EQ((*value)["rows"].items[0]["measures"].items[0]["median"].number, 2);
  EXPECT_EQ((*value)["ratios"].items[0]["median"].number, 3);
  EXPECT_TRUE((*value)["limits"].items[0]["reached"].truth);
  EXPECT_TRUE((*value)["passed"].truth);
  EXPECT_FALSE((*value)["machine"]["commit"].text.empty());
}

TEST(BenchReport, A_missed_limit_or_a_failure_is_no_pass) {
  RunReport report = sample();
  EXPECT_TRUE(report.passed());
  report.verdicts.push_back({"rate", 1, 2, true});
  EXPECT_FALSE(report.passed());
  report.verdicts.clear();
  report.failures.emplace_back("wrong bytes");
  EXPECT_FALSE(report.passed());
}

TEST(BenchReport, A_limit_of_what_was_not_measured_is_missed) {
  RunReport report = sample();
  for (const bool at_least : {false, true}) {
    report.verdicts = {{"pause", std::nullopt, 5, at_least}};
    EXPECT_FALSE(report.passed());
    EXPECT_NE(to_html(report).find("not measured"), std::string::npos);
    EXPECT_EQ((*parse_json(to_json(report)))["limits"].items[0]["value"].kind, JsonValue::Kind::null);
  }
}

TEST(BenchReport, Failures_come_back_and_too_much_is_refused) {
  RunReport report = sample();
  report.failures = {"wrong bytes"};
  EXPECT_EQ(report_from_json(to_json(report))->failures, report.failures);
  for (int i = 0; i < 1000; ++i) report.row("put x").measure(std::to_string(i), "", Better::higher);
  EXPECT_FALSE(report_from_json(to_json(report)));
}

TEST(BenchReport, HTML_escapes_what_others_said_and_asks_no_network) {
  const std::string html = to_html(sample());
  EXPECT_NE(html.find("A &lt;CPU&gt; &amp; more"), std::string::npos);
  EXPECT_EQ(html.find("<CPU>"), std::string::npos);
  for (const char* remote : {"src=", "href=\"http", "@import", "<script"})
    EXPECT_EQ(html.find(remote), std::string::npos);
  EXPECT_NE(html.find("left out: not installed"), std::string::npos);
}

TEST(BenchReport, Plots_are_drawn_where_gnuplot_is_and_missed_aloud_where_not) {
  const std::string html = to_html(sample());
  if (gnuplot_program().empty()) {
    EXPECT_NE(html.find("gnuplot is not installed"), std::string::npos);
  } else {
    EXPECT_NE(html.find("<svg"), std::string::npos);
  }
}

TEST(BenchReport, Names_cannot_leave_their_quotes_in_a_script_for_gnuplot) {
  Plot plot{"a\"; system(\"id\") #", "x", "y", PlotStyle::lines, false, {{"c\nplot 1", {{1, 2}}}}, {}};
  const std::string script = gnuplot_script(plot);
  EXPECT_EQ(script.find("system(\""), std::string::npos);
  // gnuplot runs what is in backquotes between double quotes.
  plot.title = "`id`'; `id` #";
  plot.style = PlotStyle::bars;
  plot.groups = {"`id`"};
  EXPECT_EQ(gnuplot_script(plot).find('`'), std::string::npos);
  EXPECT_EQ(script.find("\nplot 1"), std::string::npos);
}

TEST(BenchView, Screen_fits_the_terminal_and_its_longest_bar_is_the_largest_median) {
  LiveView view(ViewManner::quiet, stderr);
  view.begin("title", 40);
  for (int i = 0; i < 40; ++i) view.step("row " + std::to_string(i), i + 1, "GB/s");
  view.now(std::string(300, 'x'));
  const std::string screen = view.screen(80, 24);
  size_t lines = 0, longest = 0, at = 0;
  for (size_t end; (end = screen.find('\n', at)) != screen.npos; at = end + 1) {
    longest = std::max(longest, end - at);
    ++lines;
  }
  EXPECT_LT(lines, 24u);
  EXPECT_LT(longest, 80u);
  EXPECT_NE(screen.find("row 39"), std::string::npos);
  EXPECT_EQ(screen.find("row 1 "), std::string::npos);
}

TEST(BenchFlags, Values_come_behind_a_space_or_an_equals_sign_and_what_is_unknown_is_refused) {
  CommonFlags common;
  std::vector<uint64_t> sizes;
  uint64_t rounds = 0;
  const auto parse = [&](std::vector<const char*> words) {
    words.insert(words.begin(), "transfer");
    return parse_flags(static_cast<int>(words.size()), const_cast<char**>(words.data()), common,
                       {flag_sizes("--size", sizes), flag_count("--rounds", 1, 10, rounds)});
  };
  const auto rest = parse({"--size", "1K,2M", "--rounds=3", "old", "-q"});
  ASSERT_TRUE(rest) << rest.error();
  EXPECT_EQ(*rest, (std::vector<std::string>{"old"}));
  EXPECT_EQ(sizes, (std::vector<uint64_t>{1024, 2 << 20}));
  EXPECT_EQ(rounds, 3u);
  EXPECT_TRUE(common.quiet);
  for (const auto& wrong : std::vector<std::vector<const char*>>{{"--nope"},
                                                                 {"--rounds"},
                                                                 {"--rounds", "11"},
                                                                 {"--size", "x"},
                                                                 {"--size="},
                                                                 {"--quiet=1"},
                                                                 {"--size", "1M,1024K"}})
    EXPECT_FALSE(parse(wrong)) << wrong.front();
}

TEST(BenchChild, Status_output_and_time_limit_are_told) {
  ChildOptions options;
  options.words = {"sh", "-c", "cat; echo err >&2; exit 3"};
  options.input = "in\n";
  const ChildOutcome outcome = run_child(options);
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.output, "in\nerr\n");
  options.words = {"sleep", "600"};
  options.patience_seconds = 0.2;
  EXPECT_EQ(run_child(options).status, 128 + SIGKILL);
  options.words = {"/nonexistent/program"};
  EXPECT_EQ(run_child(options).status, 127);
}

TEST(BenchChild, CPU_of_those_who_were_left_behind_is_counted_with_a_keeper) {
  ChildOptions options;
  options.words = {"sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done' & exit 4"};
  options.with_keeper = true;
  const ChildOutcome outcome = run_child(options);
  EXPECT_EQ(outcome.status, 4);
  EXPECT_GT(outcome.cpu_seconds, 0.01);
  options.words = {"/nonexistent/program"};
  EXPECT_EQ(run_child(options).status, 127);
  options.words = {"sleep", "600"};
  options.patience_seconds = 0.2;
  EXPECT_EQ(run_child(options).status, 128 + SIGKILL);
}

TEST(BenchChild, CPU_of_a_program_and_of_what_it_waited_for_is_counted) {
  ChildOptions options;
  options.words = {"sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'"};
  EXPECT_GT(run_child(options).cpu_seconds, 0.01);
}

TEST(BenchTransfer, Each_point_of_the_matrix_is_a_case_of_its_own_name) {
  TransferPlan plan;
  plan.suites = {*parse_transfer_suite("aes128-gcm"), *parse_transfer_suite("default")};
  plan.sizes = {1024, uint64_t{1} << 20};
  plan.streams = {1, 4};
  const auto cases = cases_of(plan);
  EXPECT_EQ(cases.size(), 2u * 2 * 2 * 2);
  EXPECT_EQ(cases[0].name(), "put aes128-gcm 1K");
  EXPECT_EQ(cases[3].name(), "get aes128-gcm 1K x4");
  EXPECT_FALSE(parse_transfer_suite("aes128"));
}

TEST(BenchTransfer, Servers_and_clients_are_read_or_refused_with_what_is_known) {
  const auto server = parse_server("[::1]:2222");
  ASSERT_TRUE(server) << server.error();
  EXPECT_EQ(server->host, "::1");
  EXPECT_EQ(server->port, 2222);
  for (const char* wrong : {"", "host", "host:", "host:0", "host:x", ":22", "sshd=/nonexistent"})
    EXPECT_FALSE(parse_server(wrong)) << wrong;
  EXPECT_TRUE(parse_client("sluice-cp"));
  EXPECT_EQ(parse_client("sftp=/bin/true")->program, "/bin/true");
  EXPECT_FALSE(parse_client("telnet"));
  EXPECT_FALSE(parse_client("sftp=/nonexistent/sftp"));
}

TEST(BenchTransfer, Ratios_are_to_the_reference_round_by_round) {
  TransferPlan plan;
  plan.suites = {*parse_transfer_suite("default")};
  plan.ways = {Way::put};
  plan.sizes = {1024};
  plan.contestants.resize(2);
  plan.contestants[0].client.name = "ours", plan.contestants[1].client.name = "theirs";
  plan.contestants[0].server.name = plan.contestants[1].server.name = "s";
  plan.reference = 1;
  RunReport report;
  report.row("put default 1K ours+s").measure("throughput", "GB/s", Better::higher).rounds = {2, 6};
  report.row("put default 1K theirs+s").measure("throughput", "GB/s", Better::higher).rounds = {1, 2};
  conclude_transfers(plan, report);
  ASSERT_EQ(report.ratios.size(), 1u);
  EXPECT_EQ(report.ratios[0].name, "put default 1K, ours+s : theirs+s, throughput");
  EXPECT_EQ(report.ratios[0].rounds, (std::vector<double>{2, 3}));
}

}  // namespace
}  // namespace sluice::bench
