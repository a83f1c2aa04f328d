"""What users are told when something goes wrong: each message names the cause and says what to do."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.link import Link  # noqa: E402
from tests.support.small_disk import small_disk  # noqa: E402
from tests.support.ssh_servers import Sluiced, Sshd, USER, free_port  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
SLUICE = BUILD / "apps/sluice/sluice"
HOST = f"{USER}@127.0.0.1"
TIMEOUT = 180
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(params=["sshd", "sluiced"])
def any_server(request, server, tmp_path_factory):
    if request.param == "sshd":
        yield server
        return
    with Sluiced(BUILD, tmp_path_factory.mktemp("sluiced")) as running:
        yield running


def run(*words, code=None, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=TIMEOUT, **more)
    assert code is None or done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def ssh(server, *words, port=None, code=255, host=HOST):
    return run(SLUICE, "ssh", *server.options(), "-o", "LogLevel=INFO", "-p", port or server.port, *words, host, "true", code=code).stderr


def test_nobody_listens(server):
    said = ssh(server, port=free_port())
    assert "Connection refused" in said and "is the server running, and is the port right (-p)?" in said


def test_no_way_leads_there(server):
    """A network that is nowhere, from a namespace that has no way out."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("namespaces are root's")
    said = run("unshare", "-n", SLUICE, "ssh", *server.options(), "-o", "LogLevel=INFO", f"{USER}@192.0.2.1", "true", code=255).stderr
    assert "unreachable" in said and "-J HOST goes by way of another host" in said, said


def test_an_unknown_name(server):
    said = ssh(server, host="nobody.invalid")
    assert "Could not resolve hostname nobody.invalid" in said and "sluice ssh -G nobody.invalid" in said


def test_silence_at_the_other_end(server):
    """Somebody accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = ssh(server, "-o", "ConnectTimeout=1", port=silent.getsockname()[1])
    assert "timed out during banner exchange" in said and "-J HOST" in said, said


def test_denied(server, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "stranger"], check=True)
    words = [word if word != str(server.key) else str(tmp_path / "stranger") for word in server.options()]
    said = run(SLUICE, "ssh", *words, "-o", "LogLevel=INFO", "-p", server.port, HOST, "true", code=255).stderr
    assert re.search(r"Permission denied \(publickey[a-z,-]*\)", said) and "-i FILE offers another key" in said, said


def test_no_common_algorithm(server):
    said = ssh(server, "-o", "KexAlgorithms=diffie-hellman-group14-sha1")
    assert "ours (kex" in said or "ours (key" in said, said
    assert "theirs: " in said and "curve25519-sha256" in said and "-o KexAlgorithms=+NAME" in said, said


def test_a_changed_host_key(server, tmp_path):
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{server.port} {pathlib.Path(f'{server.key}.pub').read_text()}")
    words = [word.replace("/dev/null", str(known)).replace("StrictHostKeyChecking=no", "StrictHostKeyChecking=yes") for word in server.options()]
    said = run(SLUICE, "ssh", *words, "-p", server.port, HOST, "true", code=255).stderr
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in said and f"{known}:1" in said and "Ask who runs the host for its fingerprint" in said


# --- Help


@pytest.mark.parametrize("words", [[], ["ssh"], ["scp"], ["sftp"], ["cp"]], ids=lambda words: " ".join(words) or "all")
def test_help_fits_a_screen(words):
    lines = run(SLUICE, *words, "--help", code=0).stdout.splitlines()
    assert 5 < len(lines) <= 24 and max(map(len, lines)) <= 80, max(lines, key=len)


def completed(line, tmp_path):
    """What bash would offer behind this line, by its own rules of words."""
    script = f"""
PATH={BUILD}/apps/sluice:$PATH; HOME={tmp_path}; cd {tmp_path}
shopt -s extglob; compopt() {{ :; }}
source {pathlib.Path(__file__).resolve().parent.parent.parent}/docs/completion/sluice.bash
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
read -ra COMP_WORDS <<< "$COMP_LINE"; [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
how=$(complete -p "${{COMP_WORDS[0]}}" | cut -d' ' -f3)
$how; printf '%s\n' "${{COMPREPLY[@]}}"
"""
    return run("bash", "--norc", "-c", script, code=0).stdout.split()


def test_completion_offers_what_may_follow(tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host alpha beta *.wild\n")
    (tmp_path / "local file").touch()
    (tmp_path / "alphabet").touch()
    assert completed("sluice s", tmp_path) == ["ssh", "scp", "sftp"]
    assert "alpha" in completed("sluice ssh al", tmp_path) and "me@alpha" in completed("sluice-ssh me@al", tmp_path)
    assert "aes128-gcm@openssh.com" in completed("sluice sftp -c aes128", tmp_path)
    assert "controlpersist=" in completed("sluice ssh -o ControlP", tmp_path)
    # Also options that have no value of their own.
    assert "proxyjump=" in completed("sluice ssh -o ProxyJ", tmp_path) and "localforward=" in completed("sluice ssh -o Loc", tmp_path)
    assert "--verify" in completed("sluice cp --ver", tmp_path)
    assert set(completed("sluice-cp alph", tmp_path)) == {"alphabet", "alpha:"}
    assert "--state-dir" in completed("sluiced --st", tmp_path)


# --- Transfers


def start(server, tool, *words, port=None, **more):
    return subprocess.Popen([str(SLUICE), tool, *server.options(), "-P", str(port or server.port), *map(str, words)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def wait_for(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def grown(folder, least):
    """Some file there has so many bytes."""
    def check():
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_blocks * 512 >= least:
                    return True
        return False
    return check


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(os.urandom(MIB) * 64)
    (tmp_path / "there").mkdir()
    return path


def test_an_interrupted_cp_says_how_to_go_on_and_does(any_server, big, tmp_path):
    target = f"{HOST}:{tmp_path}/there/copy"
    process = start(any_server, "cp", "--bwlimit", "8M", big, target)
    # Where the server cannot compare hashes the journal alone says what is there.
    wait_for(lambda: any(path.name.endswith(".journal") for path in (tmp_path / "there").iterdir()), "a checkpoint")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGINT
    assert "interrupted; what is copied of large files is kept: run the same command again" in said, said
    assert not (tmp_path / "there" / "copy").exists()
    again = start(any_server, "cp", big, target)
    out, said = again.communicate(timeout=TIMEOUT)
    assert again.returncode == 0 and "resumed" in said, said
    assert (tmp_path / "there" / "copy").read_bytes() == big.read_bytes()


def test_an_interrupted_cp_tells_programs_so(server, big, tmp_path):
    process = start(server, "cp", "--json", "--bwlimit", "8M", big, f"{HOST}:{tmp_path}/there/copy")
    wait_for(grown(tmp_path / "there", 2 * MIB), "some of it is there")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=TIMEOUT)
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "interrupted" and "run the same command again" in events[-1]["text"]


@pytest.mark.parametrize("verb", ["get", "put"])
def test_an_interrupted_sftp_transfer_says_how_to_go_on(any_server, big, tmp_path, verb):
    copy = tmp_path / "there" / "copy"
    process = start(any_server, "sftp", "-l", "65536", HOST, stdin=subprocess.PIPE)
    process.stdin.write(f"{verb} {big} {copy}\n")
    process.stdin.flush()
    wait_for(grown(tmp_path / "there", 2 * MIB), "some of it is there")
    process.send_signal(signal.SIGINT)
    process.stdin.write(f"re{verb} {big} {copy}\n")
    out, said = process.communicate(timeout=TIMEOUT)
    assert re.search(rf"[0-9]+ of {64 * MIB} bytes are in \"{copy}\": re{verb} {big} {copy} goes on from there", said), said
    assert copy.read_bytes() == big.read_bytes()


def test_an_interrupted_scp_says_what_is_there(server, big, tmp_path):
    copy = tmp_path / "there" / "copy"
    process = start(server, "scp", "-l", "65536", big, f"{HOST}:{copy}")
    wait_for(grown(tmp_path / "there", 2 * MIB), "some of it is there")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode != 0 and "sluice sftp's reput goes on from there" in said, said


@pytest.mark.parametrize("tool", ["cp", "scp", "sftp"])
def test_a_lost_connection_says_why_and_how_to_go_on(server, big, tmp_path, tool):
    copy = tmp_path / "there" / "copy"
    with Link(BUILD, server.port) as link:
        if tool == "sftp":
            process = start(server, tool, "-l", "65536", HOST, port=link.port, stdin=subprocess.PIPE)
            process.stdin.write(f"put {big} {copy}\n")
            process.stdin.flush()
        else:
            slowly = ["--bwlimit", "8M"] if tool == "cp" else ["-l", "65536"]
            process = start(server, tool, *slowly, big, f"{HOST}:{copy}", port=link.port)
        wait_for(grown(tmp_path / "there", 2 * MIB), "some of it is there")
        link.stop()
        _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode != 0
    assert re.search(r"onnection.* lost: Connection.*127\.0\.0\.1", said), said
    assert "run the same command again" in said if tool == "cp" else "goes on from there" in said, said


@pytest.fixture
def full_disk(tmp_path):
    with small_disk(tmp_path / "small", 16) as folder:
        yield folder


@pytest.mark.parametrize("tool", ["cp", "scp", "sftp"])
@pytest.mark.parametrize("end", ["here", "there"])
def test_a_full_disk_is_named_at_either_end(any_server, big, full_disk, tool, end):
    copy = full_disk / "copy"
    if tool == "sftp":
        process = start(any_server, tool, "-b", "-", HOST, stdin=subprocess.PIPE)
        process.stdin.write(f"{'get' if end == 'here' else 'put'} {big} {copy}\n")
    else:
        process = start(any_server, tool, *([f"{HOST}:{big}", copy] if end == "here" else [big, f"{HOST}:{copy}"]))
    out, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, said
    if end == "here":
        assert "No space left on device" in said or "free here" in said, said
        assert "free some space" in said, said
    else:
        assert re.search("disk there is full|No space left", said), said
