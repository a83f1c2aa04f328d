"""Sessions as sshd's users know them: environment, terminals, records of logins, texts, PAM's sessions."""
import os
import pathlib
import re
import signal
import subprocess
import sys

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.root_world import PASSWORD, RootWorld, available, eventually  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
pytestmark = pytest.mark.skipif(not available(), reason="only root serves the system's users")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with RootWorld(BUILD, tmp_path_factory.mktemp("world"), "ssh server env-accept LANG LC_*") as running:
        yield running


def variables(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class Terminal:
    """A login that stays."""

    def __init__(self, world, user="ann"):
        self.process = subprocess.Popen(world.ssh_command(user, options=("-tt",)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("echo re''ady\n")
        self.process.stdin.flush()
        self.seen = ""
        while "ready\n" not in self.seen.replace("\r", ""):
            line = self.process.stdout.readline()
            assert line, self.seen
            self.seen += line

    def end(self):
        self.process.stdin.write("exit\n")
        self.process.stdin.close()
        self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def test_a_command_has_the_environment_of_a_login(world):
    done = world.ssh("ann", "env; pwd; umask", options=("-o", "SendEnv=LANG", "-o", "SendEnv=SECRET"),
                     env={**os.environ, "LANG": "C.UTF-8", "SECRET": "x"})
    seen = variables(done.stdout)
    assert {name: seen.get(name) for name in ("USER", "LOGNAME", "HOME", "SHELL", "MAIL", "LANG", "SECRET")} == {
        "USER": "ann", "LOGNAME": "ann", "HOME": "/home/ann", "SHELL": "/bin/sh", "MAIL": "/var/mail/ann", "LANG": "C.UTF-8", "SECRET": None}
    assert seen["PATH"] == "/usr/local/bin:/usr/bin:/bin:/usr/games"
    assert re.fullmatch(rf"127\.0\.0\.1 \d+ {world.port}", seen["SSH_CLIENT"])
    assert re.fullmatch(rf"127\.0\.0\.1 \d+ 127\.0\.0\.1 {world.port}", seen["SSH_CONNECTION"])
    assert "SSH_TTY" not in seen
    assert done.stdout.splitlines()[-2:] == ["/home/ann", "0022"]


def test_a_terminal_is_the_users_own_and_its_shell_a_login_shell(world):
    said = world.terminal("ann", "echo \"[$0]\"; tty; echo \"<$SSH_TTY>\"; stat -c '%U:%G:%a' $(tty); echo \"$TERM\"; exit\n")
    assert "[-sh]" in said
    name = re.search(r"^/dev/pts/\d+$", said, re.M).group()
    assert f"<{name}>" in said
    assert "ann:tty:620" in said


def test_logins_on_terminals_are_recorded_until_they_end(world):
    assert world.inside("who").stdout == ""
    with Terminal(world) as one:
        who = world.inside("who").stdout
        assert re.match(r"ann +pts/\d+ .*\(127\.0\.0\.1\)", who), who
        line = who.split()[1]
        # Without PAM nobody set the audit's login uid, and `last` has its doubts.
        assert re.search(rf"^ann +{line} +127\.0\.0\.1 .*(still logged in|no logout)", world.inside("last", "-w").stdout, re.M)
        assert re.search(rf"^ann +{line} +127\.0\.0\.1 ", world.inside("lastlog", "-u", "ann").stdout, re.M)
        # The process is the user's shell, whom one may send a signal.
        pid = int(world.inside("who", "-u").stdout.split("(")[0].split()[-1])
        assert pathlib.Path(f"/proc/{pid}").stat().st_uid == 61001
        one.end()
    eventually(lambda: world.inside("who").stdout == "", "the login is still recorded")
    # Whoever looks for the process finds it gone before the record is written.
    ended = rf"^ann +{line} .* - \d\d:\d\d +\(\d\d:\d\d\)"
    eventually(lambda: re.search(ended, world.inside("last", "-w").stdout, re.M), "the history has no end of it")


def test_what_has_no_terminal_is_not_recorded(world):
    before = world.path("/var/log/wtmp").read_bytes()
    holder = subprocess.Popen(world.ssh_command("bob", "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("x\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "x\n"
        assert "bob" not in world.inside("who").stdout
    finally:
        holder.kill()
        holder.wait()
    assert world.path("/var/log/wtmp").read_bytes() == before
    assert "Never" in world.inside("lastlog", "-u", "bob").stdout


@pytest.mark.parametrize("victim", ["client", "shell", "broker"])
def test_a_record_ends_whatever_ends_the_login(world, victim):
    with Terminal(world) as one:
        pid = int(world.inside("who", "-u").stdout.split("(")[0].split()[-1])
        if victim == "client":
            one.process.kill()
        elif victim == "shell":
            os.kill(pid, signal.SIGKILL)
        else:
            broker = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            os.kill(broker, signal.SIGKILL)
        eventually(lambda: world.inside("who").stdout == "", "the login is still recorded")


def test_the_last_login_and_the_message_of_the_day_come_first(world):
    with Terminal(world, "ann") as one:
        one.end()
    said = world.terminal("ann", "echo sh''ell; exit\n")
    last = re.search(r"^Last login: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} from 127\.0\.0\.1$", said, re.M)
    assert last, said
    assert last.start() < said.index("Welcome to the test.") < said.index("shell\n")


def test_commands_and_who_wants_quiet_are_not_greeted(world):
    assert world.ssh("ann", "echo only", options=("-tt",)).stdout == "only\n"
    assert world.ssh("ann", "echo only").stdout == "only\n"
    assert world.ssh("ann", "touch .hushlogin").returncode == 0
    try:
        said = world.terminal("ann", "exit\n")
        assert "Welcome" not in said and "Last login" not in said
    finally:
        world.ssh("ann", "rm .hushlogin")


def test_a_message_of_the_configuration_replaces_the_file(tmp_path):
    with RootWorld(BUILD, tmp_path, "banner motd ^Be brief.^", "no login last-login") as world:
        for _ in range(2):
            said = world.terminal("ann", "exit\n")
            assert "Be brief." in said and "Welcome" not in said and "Last login" not in said


RC = "mkdir -p /etc/ssh; echo 'echo system $1 >&2; cat >&2' > /etc/ssh/sshrc"


@pytest.fixture(scope="module")
def rc_world(tmp_path_factory):
    with RootWorld(BUILD, tmp_path_factory.mktemp("rc"), "subsystem say echo said", extra=RC) as running:
        yield running


@pytest.fixture
def rc(rc_world):
    rc_world.inside("su", "ann", "-c", "echo 'echo $SHELL $USER $(id -u) $(pwd) >&2; cat >&2; touch made; exit 7' > /home/ann/.ssh/rc")
    yield rc_world
    rc_world.inside("rm", "-f", "/home/ann/.ssh/rc", "/home/ann/made")


USERS_RC = "/bin/sh ann 61001 /home/ann\n"


def test_a_users_rc_runs_before_the_command_and_reads_nothing(rc):
    done = rc.ssh("ann", "ls made; cat", input="the command's\n", stdin=None)
    assert (done.stdout, done.stderr, done.returncode) == ("made\nthe command's\n", USERS_RC, 0)


def test_a_users_rc_runs_before_the_shell_on_a_terminal(rc):
    said = rc.terminal("ann", "echo in''side\nexit\n")
    assert said.index("Welcome") < said.index(USERS_RC) < said.index("inside")


def test_the_systems_rc_runs_where_the_user_has_none(rc_world):
    done = rc_world.ssh("ann", "echo in")
    assert (done.stdout, done.stderr) == ("in\n", "system\n")


def test_a_subsystem_that_is_a_program_has_the_systems_rc_only(rc):
    done = rc.ssh("ann", "say", options=("-s",))
    assert (done.stdout, done.stderr) == ("said\n", "system\n")


def test_copying_files_runs_no_rc(rc, tmp_path):
    (tmp_path / "file").write_text("content")
    for protocol in ("-O", "-s"):
        done = subprocess.run(["scp", protocol, *rc.login_options("ann"), "-P", str(rc.port), tmp_path / "file", "ann@127.0.0.1:copy"],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stderr) == (0, "")
    assert rc.inside("ls", "/home/ann/made", check=False).returncode != 0


def test_key_options_and_the_configuration_turn_a_users_rc_off(rc, tmp_path):
    keys = rc.path("/home/ann/.ssh/authorized_keys")
    kept = keys.read_text()
    try:
        # A key's forced command is not the administrator's: sshd runs the user's rc before it.
        for options, seen in (("no-user-rc", "system\n"), ("restrict", "system\n"), ("restrict,user-rc", USERS_RC),
                              ('command="echo forced"', USERS_RC)):
            keys.write_text(f"{options} {kept}")
            assert rc.ssh("ann", "true").stderr == seen, options
    finally:
        keys.write_text(kept)
    with RootWorld(BUILD, tmp_path, "no login user-rc", extra="echo 'echo users >&2' > /home/ann/.ssh/rc") as world:
        assert world.ssh("ann", "echo in").stderr == ""


PAM = r"""
printf 'FROM_PAM=yes\n' > /etc/test.env
printf '* hard nofile 123\n' > /etc/test.limits
cat > /etc/test.sh <<'X'
#!/bin/sh
echo "$PAM_TYPE $PAM_USER $PAM_RHOST $PAM_TTY $(id -u)" >> /run/pam.log
X
chmod 755 /etc/test.sh
cat > /etc/pam.d/test <<'X'
auth required pam_unix.so
account required pam_unix.so
account required pam_nologin.so
session required pam_exec.so /etc/test.sh
session required pam_limits.so conf=/etc/test.limits
session required pam_env.so conffile=/dev/null envfile=/etc/test.env
session optional pam_umask.so umask=0027
session optional pam_motd.so motd=/etc/motd
X
cat > /etc/pam.d/closed <<'X'
auth required pam_permit.so
account required pam_permit.so
session required pam_deny.so
X
"""


@pytest.fixture(scope="module")
def pam_world(tmp_path_factory):
    with RootWorld(BUILD, tmp_path_factory.mktemp("pam"), "login pam", "login pam-service test", extra=PAM) as running:
        yield running


def pam_log(world):
    return world.inside("cat", "/run/pam.log", check=False).stdout.splitlines()


def forget_sessions(world):
    """Those of tests before end when their connections do, which may be now."""
    def all_closed():
        lines = pam_log(world)
        return sum(line.startswith("open") for line in lines) * 2 == len(lines)
    eventually(all_closed, "a session is open")
    world.inside("rm", "-f", "/run/pam.log")


def test_pams_session_gives_environment_limits_and_mask(pam_world):
    done = pam_world.ssh("ann", "echo $FROM_PAM; ulimit -n; umask; id -u")
    assert done.stdout.split() == ["yes", "123", "0027", "61001"], done.stderr


def test_pams_session_is_one_for_a_connection_and_closed_at_its_end(pam_world, tmp_path):
    forget_sessions(pam_world)
    control = ("-o", f"ControlPath={tmp_path}/c")
    master = subprocess.Popen(pam_world.ssh_command("ann", options=("-M", "-N", *control)), stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: (tmp_path / "c").exists(), "no connection")
        for _ in range(3):
            assert pam_world.ssh("ann", "true", options=control).returncode == 0
        # No channel is left, the connection is: so is the session.
        assert pam_log(pam_world) == ["open_session ann 127.0.0.1 ssh 0"]
        # Another connection has another.
        assert pam_world.ssh("ann", "true").returncode == 0
        eventually(lambda: len(pam_log(pam_world)) == 3, "the second session is open")
        assert pam_log(pam_world)[1:] == ["open_session ann 127.0.0.1 ssh 0", "close_session ann 127.0.0.1 ssh 0"]
    finally:
        master.kill()
        master.wait()
    eventually(lambda: len(pam_log(pam_world)) == 4, "the session is open")
    assert pam_log(pam_world)[3] == "close_session ann 127.0.0.1 ssh 0"


def test_pams_session_is_closed_when_the_users_process_is_killed(pam_world):
    forget_sessions(pam_world)
    assert pam_world.ssh("ann", "kill -9 $PPID").returncode != 0
    eventually(lambda: len(pam_log(pam_world)) == 2, "the session is open")


def test_pams_texts_are_shown_before_the_shell_and_once(pam_world):
    said = pam_world.terminal("ann", "exit\n")
    assert said.count("Welcome to the test.") == 1


def test_a_password_is_checked_by_pam(pam_world):
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", pam_world.port, "ann", PASSWORD, look_for_keys=False, allow_agent=False, timeout=60)
        assert client.exec_command("echo in", timeout=60)[1].read() == b"in\n"


def test_where_pam_opens_no_session_nothing_runs(tmp_path):
    with RootWorld(BUILD, tmp_path, "login pam", "login pam-service closed", extra=PAM) as world:
        done = world.ssh("ann", "echo in")
        assert done.stdout == "" and done.returncode != 0
        eventually(lambda: "pam_open_session" in world.log.read_text(), "the log does not say why")
