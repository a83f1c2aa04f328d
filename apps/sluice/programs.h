// The programs that this one file is: each has a main of its own.
#pragma once

namespace sluice {

// argv[0] is the name to complain by. What is returned is the exit code.
int run_ssh(int argc, char** argv);
int run_scp(int argc, char** argv);
int run_sftp(int argc, char** argv);
int run_cp(int argc, char** argv);
int run_bench(int argc, char** argv);

}  // namespace sluice
