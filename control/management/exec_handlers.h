// What the commands of the shell do, one function each. For the table of commands alone.
#pragma once

#include "control/management/exec.h"

namespace sluice::exec {

using Command = const std::shared_ptr<Exec>&;

// shell_commands.cc: moving between modes and privileges.
void enable(Command exec);
void disable(Command exec);
void terminal_length(Command exec);
void terminal_width(Command exec);
void configure(Command exec);
void leave(Command exec);
void end(Command exec);
void root(Command exec);
void do_line(Command exec);
void commit(Command exec);
void commit_confirmed(Command exec);
void commit_force(Command exec);
void abort(Command exec);
void clear_candidate(Command exec);
void rollback(Command exec);
void save(Command exec);

// show_sessions.cc
void show_ssh(Command exec);
void show_session_details(Command exec);
void show_history(Command exec);
void show_history_details(Command exec);
void show_rekey(Command exec);
void show_users(Command exec);
void show_lpts(Command exec);
void show_tcp(Command exec);

// show_server.cc
void show_server(Command exec);
void show_ip_ssh(Command exec);
void show_version(Command exec);
void show_clock(Command exec);
void show_privilege(Command exec);
void show_tech_support(Command exec);

// show_machine.cc
void show_dataplane(Command exec);
void show_offload(Command exec);
void show_top(Command exec);
void show_port(Command exec);
void show_port_connections(Command exec);
void show_brokers(Command exec);

// show_config.cc
void show_running(Command exec);
void show_startup(Command exec);
void show_candidate(Command exec);
void show_commits(Command exec);

// key_commands.cc
void show_keys(Command exec);
void generate_rsa(Command exec);
void generate_ecdsa(Command exec);
void generate_other(Command exec);
void zeroize(Command exec);
void zeroize_ecdsa(Command exec);
void import_key(Command exec);
void export_key(Command exec);
void reload_keys(Command exec);

// session_commands.cc
void clear_ssh(Command exec);
void clear_all_ssh(Command exec);
void rekey(Command exec);
void rekey_all(Command exec);
void debug_ip_ssh(Command exec);
void debug_ip_scp(Command exec);
void debug_server(Command exec);
void debug_session(Command exec);
void debug_address(Command exec);
void undebug_all(Command exec);
void show_debugging(Command exec);

// client_commands.cc: done by the client, in its own name.
void ssh_line(Command exec);
void ssh_host(Command exec);
void ssh_user(Command exec);
void ssh_vrf(Command exec);
void scp_line(Command exec);
void sftp_line(Command exec);
void copy_line(Command exec);
void copy_running(Command exec);

// "Wed Oct 14 11:22:05.575 UTC" of the wall's clock.
std::string date_text(uint64_t wall_ms);
// What stands above every show of IOS XR; empty under the other platforms.
std::string date_line(const Exec& exec);

}  // namespace sluice::exec
