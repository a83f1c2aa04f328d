"""sluice sftp against sluiced and stock servers: checksums, every command, batch mode, resuming, rekeying, a terminal.

Where OpenSSH's own sftp is there to be asked, what ours shows is compared with what it shows.
"""
import os
import pathlib
import pty
import random
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.interop.test_client_cp import SIZES, checksums, content, server, servers  # noqa: E402, F401
from tests.support.link import Link  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
SLUICE = BUILD / "apps/sluice/sluice"
HOST = f"{USER}@127.0.0.1"
TIMEOUT = 180


@pytest.fixture(params=["sluiced", "sshd"])
def full_server(request, servers):
    """With all of OpenSSH's extensions."""
    return servers[request.param]


def program(server, *words, port=None):
    return [str(SLUICE), "sftp", *server.options(), "-P", str(port or server.port), *map(str, words)]


def run(command, code=0, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=TIMEOUT, **more)
    if code is not None:
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def sftp(server, script, *words, code=0, port=None, **more):
    return run(program(server, "-b", "-", *words, HOST, port=port), code, input=script, **more)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_there_and_back_is_the_same(server, size, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(content(SIZES[size], size))
    source.chmod(0o640)
    os.utime(source, (1_000_000_000, 1_100_000_000))
    sftp(server, f"put -p {source} {tmp_path}/away\nget -p {tmp_path}/away {tmp_path}/back\n")
    for copy in ("away", "back"):
        assert (tmp_path / copy).read_bytes() == source.read_bytes()
        assert (tmp_path / copy).stat().st_mtime == 1_100_000_000
        assert (tmp_path / copy).stat().st_mode & 0o777 == 0o640


def make_tree(folder):
    (folder / "inner" / "most").mkdir(parents=True)
    (folder / "empty").mkdir()
    for i in range(40):
        (folder / "inner" / "most" / f"small {i}").write_bytes(content(i * 331, i))
    (folder / "large").write_bytes(content(3_000_001, "large"))
    (folder / "ümlaut '$x").write_text("x")


def test_a_tree_there_and_back_is_the_same(server, tmp_path):
    make_tree(tmp_path / "tree")
    sftp(server, f"put -r {tmp_path}/tree {tmp_path}/away\nget -r {tmp_path}/away {tmp_path}/back\n")
    assert checksums(tmp_path / "away") == checksums(tmp_path / "tree")
    assert checksums(tmp_path / "back") == checksums(tmp_path / "tree")


def test_a_tree_goes_into_a_folder_that_is_there(full_server, tmp_path):
    make_tree(tmp_path / "tree")
    (tmp_path / "into").mkdir()
    sftp(full_server, f"put -r {tmp_path}/tree {tmp_path}/into\nlcd {tmp_path}/into\nlmkdir here\nlcd here\nget -r {tmp_path}/tree\n")
    assert checksums(tmp_path / "into/tree") == checksums(tmp_path / "tree")
    assert checksums(tmp_path / "into/here/tree") == checksums(tmp_path / "tree")


COMMANDS = """\
cd {folder}
pwd
lpwd
mkdir made
mkdir "with space"
put {source} made/one
put {source} "with space/two three"
ls
ls -1
ls made
ls with\\ space
ls -1 */*
chmod 600 made/one
chmod 640 "with space"/*
rename made/one made/uno
symlink uno made/link
ln made/uno made/hard
ls -1r made
cp made/uno made/copy
get made/copy {folder}/fetched
rm made/link
rm made/h*
ls -a made
-rm nothing
version
lumask 22
@pwd
!echo shell
cd made
pwd
cd ..
rmdir empty
bye
"""


def test_every_command_shows_what_openssh_shows(full_server, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(content(100_000, 1))
    shown = {}
    for who, command in (("ours", program(full_server, "-b", "-")),
                         ("theirs", ["sftp", *full_server.options(), "-P", full_server.port, "-b", "-"])):
        folder = tmp_path / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "empty").mkdir(parents=True)
        done = run([*command, HOST], input=COMMANDS.format(folder=folder, source=source))
        shown[who] = [line.rstrip() for line in done.stdout.splitlines()]
        assert sorted(path.name for path in folder.rglob("*")) == ["copy", "fetched", "made", "two three", "uno", "with space"]
        assert (folder / "made/copy").read_bytes() == source.read_bytes() == (folder / "fetched").read_bytes()
        assert (folder / "made/uno").stat().st_mode & 0o777 == 0o600
    assert shown["ours"] == shown["theirs"]


def test_long_listings_have_the_facts(full_server, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, size, when in (("a", 3, 300), ("b", 1, 100), ("c", 2, 200)):
        (folder / name).write_bytes(bytes(size))
        os.utime(folder / name, (1, 1_000_000_000 + when))
        (folder / name).chmod(0o644)
    done = sftp(full_server, f"@ls -l {folder}\n@ls -n {folder}\n@ls -1S {folder}\n@ls -1t {folder}\n@ls -1tr {folder}\n@df -h {folder}\n@df -i {folder}\n")
    lines = done.stdout.splitlines()
    assert re.match(rf"-rw-r--r--\s+\S+\s+{USER}\s+\S+\s+3 Sep  9  2001 (.*/)?a$", lines[0]), lines[0]
    assert re.match(rf"-rw-r--r--\s+\S+\s+{os.getuid()}\s+{os.getgid()}\s+3 Sep  9  2001 (.*/)?a$", lines[3]), lines[3]
    assert [line[-1] for line in lines[6:9]] == ["a", "c", "b"]
    assert [line[-1] for line in lines[9:12]] == ["a", "c", "b"]
    assert [line[-1] for line in lines[12:15]] == ["b", "c", "a"]
    assert "Capacity" in lines[15] and lines[16].rstrip().endswith("%")
    assert "Inodes" in lines[17]


def test_patterns_choose_files_on_both_ends(server, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "back").mkdir()
    for name in ("a.c", "b.c", "c.h", ".hidden.c", "[x].c"):
        (tmp_path / "here" / name).write_text(name)
    sftp(server, f"put {tmp_path}/here/*.c {tmp_path}/there\nlcd {tmp_path}/back\ncd {tmp_path}/there\nget [ab].?\nget \"[x].c\"\n")
    assert sorted(os.listdir(tmp_path / "there")) == ["[x].c", "a.c", "b.c"]
    assert sorted(os.listdir(tmp_path / "back")) == ["[x].c", "a.c", "b.c"]
    done = sftp(server, f"get {tmp_path}/there/*.c {tmp_path}/nowhere\n", code=1)
    assert "not a directory" in done.stderr
    done = sftp(server, f"get {tmp_path}/there/z*\n", code=1)
    assert "not found" in done.stderr


def test_what_was_cut_short_is_resumed(server, tmp_path):
    data = content(2_000_003, 5)
    (tmp_path / "whole").write_bytes(data)
    (tmp_path / "away").write_bytes(data[:700_001])
    (tmp_path / "back").write_bytes(data[:1_234_567])
    sftp(server, f"reput {tmp_path}/whole {tmp_path}/away\nreget {tmp_path}/away {tmp_path}/back\n")
    assert (tmp_path / "away").read_bytes() == data and (tmp_path / "back").read_bytes() == data
    (tmp_path / "back").write_bytes(data + b"more")
    done = sftp(server, f"get -a {tmp_path}/away {tmp_path}/back\n", code=1)
    assert "larger" in done.stderr and (tmp_path / "back").read_bytes() == data + b"more"
    # Only what is missing moves: what is there already is not looked at.
    (tmp_path / "back").write_bytes(b"x" * 1_000_000)
    sftp(server, f"get {tmp_path}/away {tmp_path}/back\n", "-a")
    assert (tmp_path / "back").read_bytes() == b"x" * 1_000_000 + data[1_000_000:]


def test_a_batch_ends_at_the_first_error_that_is_not_ignored(full_server, tmp_path):
    script = f"-rm {tmp_path}/nothing\nmkdir {tmp_path}/one\nrm {tmp_path}/nothing\nmkdir {tmp_path}/two\n"
    done = sftp(full_server, script, code=1)
    assert (tmp_path / "one").exists() and not (tmp_path / "two").exists()
    assert "nothing" in done.stderr
    # What makes no sense is an error like others.
    done = sftp(full_server, f"-gte x\n-chmod\nmkdir {tmp_path}/four\n@gte\nmkdir {tmp_path}/five\n", code=1)
    assert (tmp_path / "four").exists() and not (tmp_path / "five").exists() and "sftp> @gte" not in done.stdout
    batch = tmp_path / "batch"
    batch.write_text(f"# a comment\n\n  mkdir {tmp_path}/three   # another\n@pwd\n")
    done = run(program(full_server, "-b", batch, HOST))
    assert (tmp_path / "three").exists() and "sftp> @pwd" not in done.stdout and "Remote working" in done.stdout
    done = run(program(full_server, "-b", tmp_path / "no such file", HOST), 1)
    assert "No such file" in done.stderr


def test_wrong_commands_say_what_is_wrong(full_server):
    for line, words in (("gte x", "help"), ("get", "path"), ("chmod x y", "octal"), ("get 'x", "Unterminated"), ("ls -Z", "-Z")):
        done = sftp(full_server, line + "\n", code=1)
        assert words in done.stderr, done.stderr
    # Without a batch they end nothing.
    done = run(program(full_server, HOST), input="gte x\npwd\n")
    assert "Remote working directory" in done.stdout


def test_the_command_line_names_a_file_a_folder_or_a_uri(full_server, tmp_path):
    data = content(100_001, 9)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "f%1 x").write_bytes(data)
    run(program(full_server, f"{HOST}:{tmp_path}/far/f%1 x", tmp_path / "near"))
    assert (tmp_path / "near").read_bytes() == data
    done = run(program(full_server, f"{HOST}:{tmp_path}/far"), input="pwd\n")
    assert f"Changing to: {tmp_path}/far" in done.stdout and f"directory: {tmp_path}/far" in done.stdout
    uri = f"sftp://{HOST}:{full_server.port}/{tmp_path}/far/f%251%20x"
    run([SLUICE, "sftp", *full_server.options(), uri, tmp_path / "by uri"])
    assert (tmp_path / "by uri").read_bytes() == data
    run(program(full_server, f"{HOST}:{tmp_path}/far/none", tmp_path / "none"), 1)


def test_a_link_named_sluice_sftp_is_the_program(full_server, tmp_path):
    (tmp_path / "sluice-sftp").symlink_to(SLUICE)
    done = run([tmp_path / "sluice-sftp", *full_server.options(), "-P", full_server.port, "-b", "-", HOST], input="pwd\n")
    assert "Remote working directory" in done.stdout


@pytest.mark.parametrize("suite", [["Ciphers=aes256-ctr", "MACs=hmac-sha2-512-etm@openssh.com"],
                                   ["Ciphers=chacha20-poly1305@openssh.com"], ["Ciphers=aes128-gcm@openssh.com"]], ids=" ".join)
def test_keys_change_while_a_file_moves(full_server, suite, tmp_path):
    data = content(30_000_001, 7)
    (tmp_path / "source").write_bytes(data)
    options = [word for option in (*suite, "RekeyLimit=1M") for word in ("-o", option)]
    sftp(full_server, f"put {tmp_path}/source {tmp_path}/away\nget {tmp_path}/away {tmp_path}/back\n", *options)
    assert (tmp_path / "away").read_bytes() == data and (tmp_path / "back").read_bytes() == data


@pytest.mark.parametrize("words", [["sftp", "-b", "{batch}"], ["scp"], ["scp", "-O"]], ids=" ".join)
def test_a_signal_shows_how_far_a_file_is_where_no_progress_is_shown(full_server, words, tmp_path):
    source, copy, batch = tmp_path / "source", tmp_path / "copy", tmp_path / "batch"
    source.write_bytes(content(8_000_000, 12))
    batch.write_text(f"put {source} {copy}\n")
    places = [HOST] if words[0] == "sftp" else [source, f"{HOST}:{copy}"]
    command = [SLUICE, words[0], *full_server.options(), "-P", full_server.port, "-l", 20_000,
               *[word.format(batch=batch) for word in words[1:]], *places]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + TIMEOUT
    while not (copy.exists() and copy.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0 and re.search(r"^source  \d+ %  .* of 8.00 MB", said), said
    assert copy.read_bytes() == source.read_bytes()


def test_small_requests_a_limit_and_a_flush_move_the_same_bytes(full_server, tmp_path):
    data = content(1_000_003, 3)
    (tmp_path / "source").write_bytes(data)
    sftp(full_server, f"put -f {tmp_path}/source {tmp_path}/away\nget -f {tmp_path}/away {tmp_path}/back\n",
         "-B", "1000", "-R", "3", "-l", "80000", "-X", "nrequests=5")
    assert (tmp_path / "away").read_bytes() == data and (tmp_path / "back").read_bytes() == data


def test_what_cannot_be_says_so(full_server, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for line, words in ((f"get {tmp_path}/folder", "not a regular file"), (f"put {tmp_path}/folder", "not a regular file"),
                        (f"put {tmp_path}/fifo {tmp_path}/x", "not a regular file"), (f"cd {tmp_path}/fifo", "not a directory"),
                        (f"put {tmp_path}/nothing", "No such file"), (f"rmdir {tmp_path}/nothing", "No such file"),
                        (f"lcd {tmp_path}/nothing", "No such file")):
        done = sftp(full_server, line + "\n", code=1)
        assert words in done.stderr, (line, done.stderr)


def test_a_server_that_is_not_there_is_255():
    with Link(BUILD, 1) as link:
        port = link.port
    done = run([SLUICE, "sftp", "-F", "none", "-o", "BatchMode=yes", "-P", port, "-b", "-", HOST], 255, input="pwd\n")
    assert "refused" in done.stderr


def test_a_connection_that_is_cut_ends_with_255(full_server, tmp_path):
    (tmp_path / "source").write_bytes(content(20_000_000, 1))
    with Link(BUILD, full_server.port, cut_after="5M") as link:
        done = sftp(full_server, f"put {tmp_path}/source {tmp_path}/away\n", code=255, port=link.port)
    assert done.stderr.strip()
    sftp(full_server, f"reput {tmp_path}/source {tmp_path}/away\n")


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, command):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", COLUMNS="100", LC_ALL="C.UTF-8")
            os.execv(command[0], command)
        self.shown = ""

    def expect(self, pattern):
        deadline = time.monotonic() + 60
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(self.shown) from None
        self.shown = self.shown[found.end():]
        return found

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:
            pass
        os.close(self.master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_terminal_has_editing_history_and_completion(full_server, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a long remote name").write_text("remote")
    (tmp_path / "far" / "another").write_text("x")
    (tmp_path / "near").mkdir()
    terminal = Terminal(program(full_server, HOST))
    terminal.expect("Connected to 127.0.0.1")
    terminal.expect("sftp> ")
    terminal.type(f"cd {tmp_path}/fa\t\n")
    terminal.expect("sftp> ")
    terminal.type("pw\t\n")
    terminal.expect(f"Remote working directory: {tmp_path}/far")
    terminal.expect("sftp> ")
    terminal.type(f"lcd {tmp_path}/ne\t\n")
    terminal.expect("sftp> ")
    # What a Tab cannot decide is listed.
    terminal.type("get a\t")
    terminal.expect("a long remote name")
    terminal.expect("another")
    terminal.type("\x15get a\\ l\t\n")
    terminal.expect("Fetching .*a long remote name")
    terminal.expect("sftp> ")
    # The line before the last one, from the history.
    terminal.type("\x1b[A\x1b[A\x1b[A\n")
    terminal.expect("Remote working directory")
    terminal.expect("sftp> ")
    terminal.type("ls anoth\x03")
    terminal.expect("sftp> ")
    terminal.type("bye\n")
    assert terminal.end() == 0
    assert (tmp_path / "near" / "a long remote name").read_text() == "remote"

def test_a_prompt_can_be_stopped_and_continued_by_a_shell(servers, tmp_path):
    (tmp_path / "grüße").write_text("x")
    terminal = Terminal(["/bin/bash", "--norc", "--noediting", "-i"])
    terminal.type("PS1='shell''$ '\n")
    terminal.expect("shell\\$ ")
    terminal.type(shlex.join(program(servers["sshd"], HOST)) + "\n")
    terminal.expect("\nsftp> ")
    terminal.type(f"ls {tmp_path}/gr\x1a")
    terminal.expect("Stopped")
    terminal.type("echo \"<$(jobs -p)>\"; stty -a\n")
    pid = int(terminal.expect("<([0-9]+)>")[1])
    terminal.expect(" icanon ")
    terminal.type("fg\n")
    terminal.expect("sftp> ls .*/gr")
    for number in (signal.SIGTSTP, signal.SIGSTOP):
        os.kill(pid, number)
        terminal.expect("Stopped")
        terminal.expect("shell\\$ ")
        terminal.type("fg\n")
        terminal.expect("sftp> ls .*/gr")
    terminal.type("üße\n")
    terminal.expect("/grüße\r\n")
    terminal.expect("sftp> ")
    terminal.type("bye\n")
    terminal.expect("shell\\$ ")
    terminal.type("exit\n")
    assert terminal.end() == 0


def test_whoever_is_killed_at_the_prompt_gives_the_terminal_back(servers):
    terminal = Terminal(program(servers["sshd"], HOST))
    terminal.expect("sftp> ")
    assert not termios.tcgetattr(terminal.master)[3] & termios.ICANON, "no prompt before the terminal is ready for it"
    os.kill(terminal.pid, signal.SIGTERM)
    assert os.waitid(os.P_PID, terminal.pid, os.WEXITED | os.WNOWAIT).si_status == signal.SIGTERM
    assert termios.tcgetattr(terminal.master)[3] & termios.ICANON
    assert terminal.end() == -signal.SIGTERM


def test_an_interrupt_gives_a_fresh_prompt_whenever_it_comes(full_server, tmp_path):
    """Signals from outside, and the key itself, at random moments around the prompt's appearance and a completion."""
    (tmp_path / "a single name").write_text("x")
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    terminal = Terminal(program(full_server, HOST))
    terminal.expect("Connected to 127.0.0.1")
    terminal.expect("sftp> ")
    for turn in range(150):
        print("seed", seed, "turn", turn)
        # Each line ends in a prompt whose first microseconds the interrupt is aimed at.
        terminal.type(chance.choice(["\n", "pwd\n", f"ls {tmp_path}\n", "nonsense\n"]))
        terminal.expect("sftp> ")
        for _ in range(chance.randrange(1, 4)):
            time.sleep(chance.choice([0, 0, chance.random() / 1000, chance.random() / 50]))
            typed = chance.choice(["", "ls anoth", "ls anoth\\ ", f"ls {tmp_path}/a\t"])
            if typed:
                terminal.type(typed)
            if chance.random() < 0.5:
                terminal.type("\x03")
            else:
                # Known to have been taken before the next: two signals at once are one.
                os.kill(terminal.pid, signal.SIGINT)
            # The terminal's driver takes keys in its own time: a signal may overtake them, and what it then echoes itself,
            # while the program is between two prompts, stands before the new one.
            terminal.expect(r"\n[^\n]*sftp> ")
    terminal.type("\x15pwd\n")
    terminal.expect("Remote working directory")
    terminal.type("bye\n")
    assert terminal.end() == 0
