// The subcommands of sluice bench. argv[0] is the subcommand's name; what is returned is the exit code.
#pragma once

namespace sluice::bench {

int run_transfer(int argc, char** argv);
int run_rekey(int argc, char** argv);
int run_linerate(int argc, char** argv);
int run_sessions(int argc, char** argv);
int run_compare(int argc, char** argv);

}  // namespace sluice::bench
