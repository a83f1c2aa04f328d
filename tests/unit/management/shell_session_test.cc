// The shell: modes, prompts, candidate and commit, privileges, the routers' shows.
#include "tests/unit/management/shell_world.h"

namespace sluice::test {
namespace {

using Next = ShellReply::Next;

TEST_F(ShellTest, has_the_prompts_of_each_dialect) {
  be("ios");
  EXPECT_EQ(shell.prompt(), "router#");
  EXPECT_EQ(run("configure terminal").prompt, "router(config)#");
  EXPECT_EQ(run("ip ssh pubkey-chain").prompt, "router(conf-ssh-pubkey)#");
  EXPECT_EQ(run("username bob").prompt, "router(conf-ssh-pubkey-user)#");
  EXPECT_EQ(run("key-string").prompt, "router(conf-ssh-pubkey-data)#");
  EXPECT_EQ(run("exit").prompt, "router(conf-ssh-pubkey-user)#");
  EXPECT_EQ(run("end").prompt, "router#");
  EXPECT_EQ(run("disable").prompt, "router>");
  be("ios-xr");
  EXPECT_EQ(shell.prompt(), "RP/0/RP0/CPU0:router#");
}

TEST_F(ShellTest, changes_nothing_before_the_commit) {
  run("configure");
  EXPECT_EQ(output("ssh server dscp 8"), "");
  EXPECT_EQ(host.config.listen.dscp, 16u);
  EXPECT_EQ(output("show configuration"), "ssh server dscp 8\nend\n");
  EXPECT_FALSE(run("commit").failed);
  EXPECT_EQ(host.config.listen.dscp, 8u);
  EXPECT_EQ(host.file, "ssh server dscp 8\n");
  EXPECT_EQ(output("show configuration"), "end\n");
  EXPECT_TRUE(shell.configuring());
  run("ssh server dscp 9");
  EXPECT_EQ(run("abort").prompt, "Device#");
  EXPECT_EQ(host.config.listen.dscp, 8u);
}

TEST_F(ShellTest, asks_at_the_end_what_becomes_of_changes) {
  for (const auto& [answer, dscp, configuring] :
       {std::tuple("cancel", 16u, true), {"no", 16u, false}, {"yes", 9u, false}}) {
    if (!shell.configuring()) run("configure");
    run("ssh server dscp 9");
    const ShellReply asked = run("end");
    EXPECT_EQ(asked.next, Next::answer);
    EXPECT_NE(asked.output.find("(yes/no/cancel)"), std::string::npos);
    run(answer);
    EXPECT_EQ(host.config.listen.dscp, dscp) << answer;
    EXPECT_EQ(shell.configuring(), configuring) << answer;
  }
}

TEST_F(ShellTest, keeps_everything_where_a_commit_fails) {
  run("configure");
  run("ssh server port 2222");
  host.refusal = "port 2222: in use";
  const ShellReply reply = run("commit");
  EXPECT_TRUE(reply.failed);
  EXPECT_NE(reply.output.find("in use"), std::string::npos);
  EXPECT_EQ(host.config.listen.port, 22u);
  EXPECT_TRUE(shell.has_changes());
  EXPECT_EQ(host.file, "");
}

TEST_F(ShellTest, rolls_back_what_nobody_confirmed) {
  run("configure");
  run("ssh server dscp 8");
  EXPECT_NE(output("commit confirmed 60").find("60 seconds"), std::string::npos);
  EXPECT_EQ(host.config.listen.dscp, 8u);
  EXPECT_EQ(host.file, "");
  ASSERT_TRUE(ledger.deadline_ms().has_value());
  ledger.tick(*ledger.deadline_ms() - 1);
  EXPECT_EQ(host.config.listen.dscp, 8u);
  ledger.tick(*ledger.deadline_ms());
  EXPECT_EQ(host.config.listen.dscp, 16u);
  EXPECT_FALSE(ledger.deadline_ms().has_value());
}

TEST_F(ShellTest, keeps_what_was_confirmed_and_rolls_back_on_demand) {
  run("configure");
  run("ssh server dscp 8");
  run("commit confirmed 60");
  EXPECT_EQ(output("commit"), "% Confirmed\n");
  EXPECT_FALSE(ledger.deadline_ms().has_value());
  EXPECT_EQ(host.file, "ssh server dscp 8\n");
  run("ssh timeout 60");
  run("commit");
  EXPECT_FALSE(run("rollback").failed);
  EXPECT_EQ(host.config.limits.login_timeout_s, 30u);
  EXPECT_EQ(host.config.listen.dscp, 8u);
  EXPECT_FALSE(run("rollback configuration last 3").failed);
  EXPECT_EQ(host.config.listen.dscp, 16u);
  EXPECT_TRUE(run("rollback configuration last 99").failed);
  EXPECT_EQ(lines_of(output("show configuration commit list")).size(), 2u + ledger.commits().size());
}

TEST_F(ShellTest, does_not_overwrite_what_another_operator_changed) {
  ShellSession other(host, ledger, {"ann", 15, "console"}, false);
  run("configure");
  run("ssh server dscp 8");
  const auto tell = [&](const char* line) { other.execute(line, [](const ShellReply&) {}); };
  tell("configure"), tell("ssh timeout 60"), tell("commit");
  const ShellReply refused = run("commit");
  EXPECT_TRUE(refused.failed);
  EXPECT_NE(refused.output.find("ann"), std::string::npos);
  EXPECT_FALSE(run("commit force").failed);
  EXPECT_EQ(host.config.listen.dscp, 8u);
}

TEST_F(ShellTest, puts_lines_into_effect_at_once_as_ios_does) {
  be("ios");
  run("configure terminal");
  EXPECT_EQ(output("ip ssh time-out 60"), "");
  EXPECT_EQ(host.config.limits.login_timeout_s, 60u);
  EXPECT_EQ(run("end").prompt, "router#");
}

TEST_F(ShellTest, marks_the_word_that_is_wrong) {
  run("configure");
  const ShellReply reply = run("ssh server rekey-volume 99999");
  EXPECT_TRUE(reply.failed);
  EXPECT_EQ(reply.output.substr(0, 61), "  ssh server rekey-volume 99999\n                          ^\n%");
  EXPECT_NE(reply.output.find("<1024-4095>"), std::string::npos);
  run("abort");
  EXPECT_NE(output("show nonsense").find("unknown word"), std::string::npos);
}

TEST_F(ShellTest, lets_each_operator_do_what_his_privilege_allows) {
  ShellSession watcher(host, ledger, {"op", 1, "vty"}, false);
  const auto output_of = [&](const char* line) {
    std::string text;
    watcher.execute(line, [&](const ShellReply& reply) { text = reply.output; });
    return text;
  };
  EXPECT_EQ(watcher.prompt(), "Device>");
  EXPECT_NE(output_of("configure").find("Not allowed"), std::string::npos);
  EXPECT_NE(output_of("show running-config").find("Not allowed"), std::string::npos);
  EXPECT_NE(output_of("clear ssh 1").find("Not allowed"), std::string::npos);
  EXPECT_EQ(output_of("show ssh").find("Not allowed"), std::string::npos);
  for (const Candidate& one : watcher.complete("")) EXPECT_NE(one.word, "configure");
  EXPECT_NE(output_of("enable").find("No password set"), std::string::npos);
  host.config = config_of("enable secret 0 word");
  EXPECT_EQ(output_of("enable"), "Password: ");
  EXPECT_EQ(output_of("wrong"), "Password: ");
  EXPECT_EQ(output_of("wrong"), "Password: ");
  EXPECT_NE(output_of("wrong").find("Bad secrets"), std::string::npos);
  EXPECT_EQ(watcher.prompt(), "Device>");
  // Who has tried so often waits, whatever he knows by now.
  output_of("enable");
  EXPECT_NE(output_of("word").find("again in 30 seconds"), std::string::npos);
  host.enable_guard().succeeded("op");
  output_of("enable");
  output_of("word");
  EXPECT_EQ(watcher.prompt(), "Device#");
}

TEST_F(ShellTest, completes_and_helps_from_the_table) {
  EXPECT_EQ(words("show ssh "), (std::vector<std::string>{"details", "history", "rekey", "server", "session", "<cr>"}));
  EXPECT_EQ(words("conf"), std::vector<std::string>{"configure"});
  const auto help = shell.complete("ssh 10.1.1.1 ");
  std::vector<std::string> options;
  for (const Candidate& one : help) options.push_back(one.word);
  for (const char* word : {"cipher", "command", "source-interface", "username", "<cr>"})
    EXPECT_NE(std::find(options.begin(), options.end(), word), options.end()) << word;
  const auto helped = [&](const char* line) {
    std::vector<std::pair<std::string, std::string>> found;
    for (const Candidate& one : shell.complete(line)) found.emplace_back(one.word, one.help);
    return found;
  };
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(helped("ssh "), (Pairs{{"A.B.C.D", "IPv4 (A.B.C.D) address"},
                                   {"LINE", "the rest of the line"},
                                   {"WORD", "Hostname of the remote node"},
                                   {"X:X::X", "IPv6 (A:B:C:D...:D) address"},
                                   {"rekey", "New keys for a session"},
                                   {"vrf", "vrf table for the route lookup"}}));
  EXPECT_EQ(helped("ssh 10.1.1.1 "), (Pairs{{"cipher", "Accept cipher type"},
                                            {"command", "Specify remote command (non-interactive)"},
                                            {"port", "Port to connect to"},
                                            {"source-interface", "Specify source interface"},
                                            {"username", "Accept userid for authentication"},
                                            {"<cr>", ""}}));
  run("configure");
  EXPECT_EQ(helped("ssh "), (Pairs{{"client", "Provide SSH client service"},
                                   {"server", "Provide SSH server service"},
                                   {"timeout", "Set timeout value for SSH"}}));
  EXPECT_EQ(words("ssh server rekey-v"), std::vector<std::string>{"rekey-volume"});
  EXPECT_EQ(words("ssh "), (std::vector<std::string>{"client", "server", "timeout"}));
  EXPECT_EQ(words("comm"), std::vector<std::string>{"commit"});
}

TEST_F(ShellTest, every_command_has_help_and_runs_only_what_it_says) {
  std::set<std::string_view> patterns;
  for (const ExecRow& row : ExecGrammar::rows()) {
    EXPECT_FALSE(row.help.empty()) << row.pattern;
    EXPECT_TRUE(row.run != nullptr) << row.pattern;
    EXPECT_TRUE(patterns.insert(row.pattern).second) << row.pattern;
  }
  for (const uint8_t place : {kAtExec, kAtConfig})
    for (const CommandRow& row : exec_grammar(place).grammar().rows())
      EXPECT_FALSE(exec_grammar(place).grammar().pattern_of(row).elements.empty()) << row.pattern;
}

TEST_F(ShellTest, shows_sessions_in_the_columns_of_ios_xr) {
  be("ios-xr");
  host.facts.sessions = {a_session()};
  const std::string text = output("show ssh");
  EXPECT_TRUE(has_line(text, "SSH version : Cisco-2.0")) << text;
  EXPECT_TRUE(has_line(text, "id chan pty location state userid host ver authentication connection type")) << text;
  EXPECT_TRUE(has_line(text, "Incoming sessions"));
  EXPECT_TRUE(
      has_line(text, "15 1 X\x58X 0/RP0/CPU0 SESSION_OPEN admin 192.168.122.1 v2 password port-forwarded-local"));
  EXPECT_TRUE(
      has_line(text, "15 2 vty0 0/RP0/CPU0 SESSION_OPEN admin 192.168.122.1 v2 password Command-Line-Interface"));
  EXPECT_TRUE(has_line(text, "Outgoing sessions"));
  const std::string details = output("show ssh session details");
  EXPECT_TRUE(has_line(details, "id key-exchange pubkey incipher outcipher inmac outmac"));
  EXPECT_TRUE(has_line(details, "Incoming Sessions"));
  EXPECT_TRUE(
      has_line(details, "15 ecdh-sha2-nistp256 ecdsa-sha2-nistp256 aes128-ctr aes128-ctr hmac-sha2-256 hmac-sha2-256"));
  // The first line is the date: "Wed Oct 14 11:22:05.575 UTC".
  EXPECT_EQ(tokens(lines_of(text)[0]).size(), 5u) << text;
}

TEST_F(ShellTest, shows_sessions_in_the_columns_of_ios) {
  be("ios");
  EXPECT_EQ(output("show ssh"), "%No SSHv1 server connections running.\n%No SSHv2 server connections running.\n");
  host.facts.sessions = {a_session()};
  const std::string text = output("show ssh");
  EXPECT_TRUE(has_line(text, "Connection Version Mode Encryption Hmac State Username"));
  EXPECT_TRUE(has_line(text, "15 2.0 IN aes128-ctr hmac-sha2-256 Session started admin"));
  EXPECT_TRUE(has_line(text, "15 2.0 OUT aes128-ctr hmac-sha2-256 Session started admin"));
  EXPECT_TRUE(has_line(text, "%No SSHv1 server connections running."));
  EXPECT_FALSE(has_line(text, "%No SSHv2 server connections running."));
  EXPECT_TRUE(has_line(output("show users"), "1 vty 0 admin idle 00:02:37 192.168.122.1"));
}

TEST_F(ShellTest, shows_the_server_field_by_field) {
  be("ios-xr");
  host.config.listen.port = 5520;
  const std::string text = output("show ssh server");
  const std::vector<std::string> fields{
      "Current supported versions := v2",
      "SSH port := 5520",
      "SSH vrfs := vrfname:=default(v4-acl:=, v6-acl:=)",
      "Netconf Port := 830",
      "Key-Exchange Algorithms := "
      "ecdh-sha2-nistp521,ecdh-sha2-nistp384,ecdh-sha2-nistp256,curve25519-sha256,diffie-hellman-group14-sha256,"
      "diffie-hellman-group16-sha512,curve25519-sha256@libssh.org",
      "Encryption Algorithms := "
      "aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
      "Mac Algorithms := hmac-sha2-512,hmac-sha2-256,hmac-sha1",
      "PublicKey := Yes",
      "Password := Yes",
      "Keyboard-Interactive := Yes",
      "DSCP := 16",
      "Ratelimit := 60",
      "Sessionlimit := 64",
      "Rekeytime := 60",
      "Server rekeyvolume := 1024",
      "TCP window scale factor := 1",
      "Backup Server := Disabled",
      "Host Trustpoint :=",
      "User Trustpoint :=",
      "Port Forwarding := Disabled",
      "Max Authentication Limit := 20",
      "Certificate username := Common name (CN)",
      "OpenSSH Host Trustpoint :=",
      "OpenSSH User Trustpoint :="};
  size_t at = 0;
  for (const std::string& field : fields) {
    const size_t found = text.find(field, at);
    if (field.starts_with("Key-Exchange")) continue;
    ASSERT_NE(found, std::string::npos) << field << "\n" << text;
    at = found;
  }
}

TEST_F(ShellTest, shows_ip_ssh_rekey_and_lpts) {
  be("ios");
  host.facts.host_keys = 3;
  const std::string text = output("show ip ssh");
  EXPECT_EQ(lines_of(text)[0], "SSH Enabled - version 2.0");
  EXPECT_TRUE(has_line(text, "Authentication timeout: 120 secs; Authentication retries: 3"));
  EXPECT_TRUE(has_line(text, "Authentication methods:publickey,keyboard-interactive,password"));
  host.facts.host_keys = 0;
  EXPECT_EQ(lines_of(output("show ip ssh"))[0], "SSH Disabled - version 2.0");
  host.facts.sessions = {a_session()};
  EXPECT_TRUE(has_line(output("show ssh rekey"), "15 8 40.0 800.0")) << output("show ssh rekey");
  host.facts.listening = {"any,5520"};
  const std::string lpts = output("show lpts bindings brief");
  EXPECT_TRUE(has_line(lpts, "@ - Indirect binding; Sc - Scope"));
  EXPECT_TRUE(has_line(lpts, "0/RP0/CPU0 TCP LR IPV4 TCP default any any,5520 any")) << lpts;
  EXPECT_TRUE(has_line(lpts, "0/RP0/CPU0 TCP LR IPV4 TCP default any 192.0.2.1,5520 192.168.122.1,37764"));
  host.facts.listening = {"any6,5520"};
  const std::string both = output("show lpts bindings brief");
  EXPECT_TRUE(has_line(both, "0/RP0/CPU0 TCP LR IPV6 TCP default any any,5520 any")) << both;
  EXPECT_TRUE(has_line(both, "0/RP0/CPU0 TCP LR IPV4 TCP default any any,5520 any")) << both;
  EXPECT_EQ(both.find("any6"), std::string::npos);
  EXPECT_EQ(output("show tcp").find("any6"), std::string::npos);
}

TEST_F(ShellTest, shows_the_running_configuration_without_secrets_and_by_section) {
  host.config = config_of(
      "platform ios-xr\nusername lab secret 0 hidden\nssh server port 5520\nssh server v2\nssh client auth-method "
      "public-key\n");
  EXPECT_EQ(output("show running-config").find("hidden"), std::string::npos);
  const std::string ssh = output("show run ssh");
  EXPECT_TRUE(has_line(ssh, "ssh server v2"));
  EXPECT_TRUE(has_line(ssh, "ssh server port 5520"));
  EXPECT_EQ(ssh.find("username"), std::string::npos);
  EXPECT_TRUE(ssh.ends_with("!\n"));
  EXPECT_TRUE(has_line(output("show run ssh client auth-methods"), "ssh client auth-methods publickey"));
  EXPECT_EQ(output("show tech-support ssh").find("hidden"), std::string::npos);
}

TEST_F(ShellTest, makes_and_removes_host_keys_when_told_twice) {
  EXPECT_FALSE(run("crypto key generate ed25519").failed);
  EXPECT_EQ(host.key_changes, 1);
  const std::string shown = output("show crypto key mypubkey ed25519");
  EXPECT_TRUE(has_line(shown, "Key label: the_default")) << shown;
  EXPECT_TRUE(has_line(shown, "Type : ED25519"));
  EXPECT_TRUE(has_line(shown, "Size : 256"));
  EXPECT_EQ(run("crypto key generate ed25519").next, Next::answer);
  EXPECT_EQ(output("no"), "The pair stays as it is.\n");
  EXPECT_EQ(run("crypto key zeroize ed25519").next, Next::answer);
  run("yes");
  EXPECT_EQ(host.key_changes, 2);
  EXPECT_TRUE(run("crypto key zeroize ed25519").failed);
}

TEST_F(ShellTest, shows_the_engines_of_both_processes) {
  EXPECT_EQ(output("show crypto offload").find("Engine"), std::string::npos);
  host.facts.engines = {{"/opt/card.so", "network", "in-service", 12, 1, 3}};
  host.monitor_engines = {{"/opt/card.so", "monitor", "given-up", 4, 16, 0}};
  const std::string shown = output("show crypto offload");
  EXPECT_NE(shown.find("in-service"), std::string::npos) << shown;
  EXPECT_NE(shown.find("given-up"), std::string::npos) << shown;
}

TEST_F(ShellTest, acts_on_sessions_by_their_ids) {
  EXPECT_EQ(output("clear ssh 15"), "did clear 15\n");
  EXPECT_EQ(output("ssh rekey all"), "did rekey all\n");
}

TEST_F(ShellTest, makes_command_lines_of_both_dialects) {
  using Words = std::vector<std::string>;
  const auto tail = [&](const char* line, size_t count) {
    const Words all = run(line).run;
    return all.size() < count ? Words() : Words(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
  };
  EXPECT_EQ(tail("ssh -v 2 -c aes256-ctr -m hmac-sha1-96 -l user2 10.76.82.24", 8),
            (Words{"-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha1-96", "-l", "user2", "--", "10.76.82.24"}));
  EXPECT_EQ(tail("ssh -v 2 -c 3des -m hmac-sha1-160 -l shaship 10.76.82.24", 8),
            (Words{"-o", "Ciphers=3des-cbc", "-o", "MACs=hmac-sha1", "-l", "shaship", "--", "10.76.82.24"}));
  EXPECT_EQ(tail("ssh 198.51.100.1 port 5525 username user1", 6),
            (Words{"-p", "5525", "-l", "user1", "--", "198.51.100.1"}));
  EXPECT_EQ(tail("ssh 198.51.100.1 username user1 command show redundancy sum", 7),
            (Words{"-l", "user1", "--", "198.51.100.1", "show", "redundancy", "sum"}));
  EXPECT_TRUE(run("ssh -v 1 10.1.1.1").failed);
  EXPECT_TRUE(run("ssh -oProxyCommand=x 10.1.1.1").failed);
}

TEST_F(ShellTest, tells_programs_in_json) {
  ShellSession script(host, ledger, {"lab", 15, "console"}, true);
  host.facts.sessions = {a_session()};
  std::string text;
  script.execute("show ssh", [&](const ShellReply& reply) { text = reply.output; });
  EXPECT_NE(text.find("\"userid\": \"admin\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"connection_type\": \"port-forwarded-local\""), std::string::npos);
  script.execute("show nonsense", [&](const ShellReply& reply) { text = reply.output; });
  EXPECT_TRUE(text.starts_with("{\"error\": ")) << text;
}

}  // namespace
}  // namespace sluice::test
