"""Commands, shells and terminals of stock clients on sluiced: status, streams apart, signals, bulk both ways."""
import asyncio
import os
import signal
import subprocess
import time

import pytest
from shell_world import BULK_TIMEOUT, CIPHERS, REKEY, TIMEOUT, USER, dbclient, digest, putty, run, server, ssh  # noqa: F401

DATA = os.urandom(3_000_000)
SCRIPT = "cat; echo to-error >&2; exit 23"


def test_openssh_keeps_status_and_streams_apart(server):
    done = run([*ssh(server), SCRIPT], DATA)
    assert (done.returncode, done.stderr) == (23, b"to-error\n")
    assert done.stdout == DATA


def test_plink_keeps_status_and_streams_apart(server):
    done = run([*putty("plink", server, "-ssh", f"{USER}@127.0.0.1"), SCRIPT], DATA)
    assert (done.returncode, done.stderr) == (23, b"to-error\n")
    assert done.stdout == DATA


def test_dbclient_keeps_status_and_streams_apart(server, tmp_path):
    # Into a file: of output that a pipe had no room for dbclient 2022.83 never ends, with any server.
    with open(tmp_path / "output", "wb") as output:
        done = run([*dbclient(server), SCRIPT], DATA, stdout=output)
    assert done.returncode == 23 and b"to-error\n" in done.stderr
    assert (tmp_path / "output").read_bytes() == DATA


def test_paramiko_keeps_status_and_streams_apart(server):
    import paramiko
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", server.port, USER, key_filename=str(server.key), allow_agent=False, look_for_keys=False)
        stdin, stdout, stderr = client.exec_command("head -c 100000; echo to-error >&2; exit 23")
        stdin.write(DATA[:100_000])
        stdin.channel.shutdown_write()
        assert stdout.read() == DATA[:100_000]
        assert stderr.read() == b"to-error\n"
        assert stdout.channel.recv_exit_status() == 23


def test_asyncssh_sees_status_signal_and_a_resized_terminal(server):
    import asyncssh

    async def talk():
        async with asyncssh.connect("127.0.0.1", server.port, username=USER, client_keys=[str(server.key)], known_hosts=None,
                                    agent_path=None, config=None) as client:
            done = await client.run(SCRIPT, input=DATA, encoding=None)
            assert (done.exit_status, done.stdout, done.stderr) == (23, DATA, b"to-error\n")
            killed = await client.run("kill -KILL $$")
            assert killed.exit_signal[0] == "KILL"
            killed = await client.run("kill -64 $$")
            assert killed.exit_signal[0] == "SIG@openssh.com"
            process = await client.create_process("read x; stty size; kill -TERM $$", term_type="vt100", term_size=(100, 50))
            process.change_terminal_size(90, 20)
            process.stdin.write("\n")
            done = await process.wait()
            assert "20 90" in done.stdout and done.exit_signal[0] == "TERM"

    asyncio.run(asyncio.wait_for(talk(), TIMEOUT))


def test_a_terminal_has_a_name_a_size_and_ends_with_its_shell(server):
    done = run([*ssh(server, "-tt"), "tty; echo $TERM; exit 5"], b"", env=dict(os.environ, TERM="vt220"))
    assert done.returncode == 5
    assert b"/dev/pts/" in done.stdout and b"vt220\r\n" in done.stdout


def test_a_shell_without_a_command_reads_its_input(server):
    done = run(ssh(server, "-T"), b"echo from-shell; exit 9\n")
    assert done.returncode == 9 and b"from-shell\n" in done.stdout
    done = run(ssh(server, "-tt"), b"echo from-terminal; exit 8\n")
    assert done.returncode == 8 and b"from-terminal\r\n" in done.stdout


def test_a_signal_in_a_terminal_reaches_the_program(server):
    client = subprocess.Popen([str(word) for word in [*ssh(server, "-tt"), "trap 'echo interrupted; exit 3' INT; echo ready; sleep 60"]],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline().strip() == b"ready"
    client.stdin.write(b"\x03")
    client.stdin.flush()
    assert client.wait(TIMEOUT) == 3
    assert b"interrupted" in client.stdout.read()


def test_a_terminals_program_is_hung_up_when_the_client_is_gone(server, tmp_path):
    mark = tmp_path / "hung-up"
    command = f"trap 'echo x > {mark}; exit' HUP; echo ready; while :; do sleep 0.1; done"
    client = subprocess.Popen([str(word) for word in [*ssh(server, "-tt"), command]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline().strip() == b"ready"
    client.send_signal(signal.SIGKILL)
    client.wait(TIMEOUT)
    deadline = time.monotonic() + 30
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mark.exists()


def test_accepted_variables_reach_the_program_and_others_do_not(server):
    done = run([*ssh(server, "-o", "SendEnv=LC_TEST OTHER"), "echo $LC_TEST.$OTHER."],
               env=dict(os.environ, LC_TEST="one", OTHER="two"))
    assert done.stdout == b"one..\n"


def test_a_program_that_reads_no_more_ends_the_input(server):
    done = run([*ssh(server), "head -c 10"], os.urandom(5_000_000))
    assert done.returncode == 0 and len(done.stdout) == 10


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda words: words[1])
def test_a_hundred_megabytes_both_ways_at_once_while_keys_change(server, cipher):
    data = os.urandom(100 << 20)
    done = run([*ssh(server, *cipher, *REKEY), "cat"], data, timeout=BULK_TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert digest(done.stdout) == digest(data)


def test_rsync_copies_a_tree_both_ways(server, tmp_path):
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    for i in range(50):
        (source / "inner" / f"file{i}").write_bytes(os.urandom(1000 * i))
    (source / "large").write_bytes(DATA)
    shell = " ".join(str(word) for word in [*ssh(server, *REKEY)[:-1]])
    for origin, target in ((f"{source}/", f"{USER}@127.0.0.1:{tmp_path}/there/"), (f"{USER}@127.0.0.1:{tmp_path}/there/", f"{tmp_path}/back/")):
        done = run(["rsync", "-a", "-e", shell, origin, target])
        assert done.returncode == 0, done.stderr
    assert run(["diff", "-r", source, tmp_path / "back"]).returncode == 0


def test_git_clones_and_pushes(server, tmp_path):
    environment = dict(os.environ, GIT_SSH_COMMAND=" ".join(str(word) for word in ssh(server, *REKEY)[:-1]), GIT_CONFIG_GLOBAL="/dev/null",
                       GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")

    def git(*words, where=tmp_path):
        done = run(["git", "-c", "safe.directory=*", *words], cwd=where, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    git("init", "-q", "--bare", "-b", "main", "origin")
    address = f"ssh://{USER}@127.0.0.1{tmp_path}/origin"
    git("clone", "-q", address, "work")
    (tmp_path / "work" / "file").write_bytes(DATA)
    git("add", "file", where=tmp_path / "work")
    git("commit", "-qm", "one", where=tmp_path / "work")
    git("push", "-q", "origin", "HEAD:main", where=tmp_path / "work")
    git("clone", "-q", address, "again")
    assert (tmp_path / "again" / "file").read_bytes() == DATA
