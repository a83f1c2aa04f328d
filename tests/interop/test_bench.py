"""sluice bench: each subcommand with tiny sizes, for function: what it measures is real, what goes wrong shows, and its
results are what other programs can read. No figure is judged.
"""
import contextlib
import itertools
import json
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.ssh_servers import Sluiced, USER  # noqa: E402

SLUICE = pathlib.Path(os.environ["SLUICE_BUILD"]).resolve() / "apps/sluice/sluice"
TIMEOUT = 300
SUBCOMMANDS = ["transfer", "rekey", "linerate", "sessions", "compare"]
WITHOUT_SSHD = pytest.mark.skipif(not os.path.exists("/usr/sbin/sshd"), reason="no sshd here")


def bench(*words, code=0):
    done = subprocess.run([str(word) for word in (SLUICE, "bench", *words)], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == code, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    return done


def result(tmp_path, *words, code=0):
    file = tmp_path / "result.json"
    file.unlink(missing_ok=True)
    bench(*words, "--json", file, "--quiet", code=code)
    return json.loads(file.read_text())


def rows(report):
    return {row["name"]: {m["name"]: m for m in row["measures"]} for row in report["rows"]}


@pytest.mark.parametrize("words", [[], *([name] for name in SUBCOMMANDS)])
def test_help_fits_a_screen(words):
    lines = bench(*words, "--help").stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80, (len(lines), max(lines, key=len))


@pytest.mark.parametrize("words", [["nothing"], ["transfer", "--client", "telnet"], ["transfer", "--size", "0"], ["transfer", "more"],
                                   ["transfer", "--suite", "rot13"], ["rekey", "--kex", "none"], ["rekey", "--mode", "x"],
                                   ["rekey", "--by", "server", "--server", "sluiced"], ["rekey", "--client", "telnet"],
                                   ["rekey", "--port", "7"], ["sessions", "--kex", "none"], ["linerate", "--payload", "65536"],
                                   ["sessions", "--rounds", "0"], ["compare", "one"]])
def test_what_makes_no_sense_is_refused(words):
    assert bench(*words, code=2).stderr


def test_a_driver_that_is_not_there_is_named():
    assert "nowhere" in bench("linerate", "--driver", "openssl:nowhere", "--quiet", code=3).stderr


@WITHOUT_SSHD
def test_transfer_tells_all_of_each_contestant_in_turn(tmp_path):
    html = tmp_path / "report.html"
    report = result(tmp_path, "transfer", "--size", "70000,1M", "--rounds", 3, "--html", html)
    assert report["kind"] == "transfer" and report["passed"] and report["machine"]["cpu_flags"] and report["machine"]["kernel"]
    assert report["machine"]["versions"]["sluice"] and report["machine"]["commit"] and report["settings"]["rounds"] == "3"
    found = rows(report)
    for way in ("put", "get"):
        for size in ("70000", "1M"):
            for who in ("sluice-cp+sluiced", "sftp+sshd"):
                row = found[f"{way} aes128-gcm {size} {who}"]
                # A client that ended before anybody looked at its memory has none told.
                for name in ("throughput", "time", "client CPU", "server CPU", "server memory"):
                    assert len(row[name]["rounds"]) == 3, (name, row)
                assert row["throughput"]["least"] <= row["throughput"]["median"] <= row["throughput"]["most"]
                assert min(row["server memory"]["rounds"]) > 1
    assert any(r["name"] == "put aes128-gcm 1M, sluice-cp+sluiced : sftp+sshd, throughput" for r in report["ratios"])
    text = html.read_text()
    assert "<table>" in text and not re.search(r'(src|href)="https?:|@import|<script', text)
    assert ("<svg" in text) == bool(shutil.which("gnuplot"))
    # The second result is the first one's own: nothing changed.
    said = bench("compare", tmp_path / "result.json", tmp_path / "result.json").stdout
    assert "the same within the noise" in said and not re.search("^(WORSE|better|gone|new)", said, re.M), said


@WITHOUT_SSHD
def test_transfer_by_the_clients_of_others(tmp_path):
    clients = [name for name, program in (("sluice-sftp", "true"), ("sluice-scp", "true"), ("scp", "scp"), ("scp-O", "scp"),
                                          ("psftp", "psftp"), ("pscp", "pscp"), ("lftp", "lftp"), ("rclone", "rclone"),
                                          ("rsync", "rsync"), ("curl", "curl")) if shutil.which(program)]
    words = ("transfer", "--client", ",".join(clients), "--server", "sluiced", "--suite", "aes256-ctr+hmac-sha2-256", "--size", "100000",
             "--rounds", 1)
    found = rows(result(tmp_path, *words))
    for name in clients:
        assert found[f"put aes256-ctr+hmac-sha2-256 100000 {name}+sluiced"]["throughput"]["rounds"], name


def test_transfer_of_folders_and_of_many_at_once(tmp_path):
    found = rows(result(tmp_path, "transfer", "--pair", "sluice-cp+sluiced,sftp+sluiced", "--size", "3000", "--files", 20, "--streams",
                        "1,3", "--rounds", 1))
    assert found["put aes128-gcm 20x3000 sluice-cp+sluiced"]["files"]["median"] > 0
    assert 0 < found["get aes128-gcm 20x3000 x3 sftp+sluiced"]["slowest stream : mean"]["median"] <= 1


def test_transfer_to_a_host_by_its_name_and_port(tmp_path, build=SLUICE.parent.parent.parent):
    there = tmp_path / "there"
    there.mkdir()
    with Sluiced(build, tmp_path / "server") as server:
        place = f"127.0.0.1:{server.port}"
        found = rows(result(tmp_path, "transfer", "--client", "sluice-cp,sftp", "--server", place, "--user", USER, "--identity", server.key,
                            "--option", "StrictHostKeyChecking=no", "--option", "UserKnownHostsFile=/dev/null", "--remote-folder", there,
                            "--size", "200000", "--rounds", 1))
    for way in ("put", "get"):
        assert found[f"{way} aes128-gcm 200000 sftp+{place}"]["throughput"]["median"] > 0
    assert "server CPU" not in found[f"put aes128-gcm 200000 sftp+{place}"]


def test_wrong_bytes_are_found_out(tmp_path):
    liar = tmp_path / "sftp"
    liar.write_text('#!/bin/sh\nread -r verb rest\necho "$verb $rest" | sftp "$@" || exit\n'
                    'target=$(echo "$rest" | sed \'s/.*" "\\(.*\\)"/\\1/\')\nprintf x | dd of="$target" bs=1 seek=5000 conv=notrunc 2>/dev/null\n')
    liar.chmod(0o755)
    report = result(tmp_path, "transfer", "--pair", f"sftp={liar}+sluiced", "--size", "100000", "--rounds", 1, "--way", "put", code=1)
    assert not report["passed"] and "WRONG BYTES" in report["failures"][0]


def test_a_client_that_fails_is_said_to_have_failed(tmp_path):
    report = result(tmp_path, "transfer", "--pair", "sftp=/bin/false+sluiced,sluice-cp+sluiced", "--size", "1000", "--rounds", 1, code=1)
    assert rows(report)["put aes128-gcm 1000 sluice-cp+sluiced"]["throughput"]["rounds"]
    assert any("status 1" in failure for failure in report["failures"])


def test_rekey_counts_rekeys_of_mixed_sessions_and_their_pauses(tmp_path):
    words = ["rekey", "--sessions", 12, "--seconds", 3, "--calm", 1, "--interval", 0.5, "--kex", "mixed", "--suite", "mixed"]
    report = result(tmp_path, *words)
    row = rows(report)["with rekeys"]
    assert row["rekeys"]["median"] > 0 and row["errors"]["median"] == 0 and row["throughput"]["median"] > 0
    for name in ("pause p50", "pause p99", "pause p99.9", "pause max", "neighbour p99", "server memory a session"):
        assert row[name]["median"] > 0, name
    assert rows(report)["without rekeys"]["longest gap p50"]["median"] > 0


def test_rekey_fails_when_a_limit_is_missed(tmp_path):
    report = result(tmp_path, "rekey", "--sessions", 2, "--seconds", 1, "--calm", 0, "--interval", 0.2, "--least-rekeys", 1000000, code=1)
    assert [limit["reached"] for limit in report["limits"]] == [True, False]


@pytest.mark.parametrize("words", [["--neighbours", 0, "--most-neighbour-p99", 1000000], ["--least-share", 0.000001]])
def test_rekey_fails_when_what_a_limit_is_of_was_not_measured(tmp_path, words):
    report = result(tmp_path, "rekey", "--sessions", 2, "--seconds", 1, "--calm", 0, "--interval", 0.2, *words, code=1)
    assert report["limits"][-1]["value"] is None and not report["limits"][-1]["reached"]


@pytest.mark.parametrize("then,said", [("exec sleep 600", "stood still"), ("printf x; cat", "wrong bytes")])
def test_rekey_finds_a_session_that_stops_and_one_with_a_wrong_byte(tmp_path, then, said):
    client = tmp_path / "ssh"
    client.write_text(f'#!/bin/sh\nssh "$@" | {{ head -c 300000; {then}; }}\n')
    client.chmod(0o755)
    report = result(tmp_path, "rekey", "--client", f"ssh={client}", "--sessions", 2, "--seconds", 1, "--calm", 0, "--mode", "volume",
                    "--volume", "64K", code=1)
    assert rows(report)["with rekeys"]["errors"]["median"] == 2 and any(said in failure for failure in report["failures"])


def test_what_cannot_be_measured_still_has_its_report(tmp_path):
    report = result(tmp_path, "rekey", "--client", "ssh=/bin/false", "--sessions", 1, "--seconds", 1, "--calm", 0, "--mode", "volume", code=1)
    assert report["failures"] and not report["passed"] and report["machine"]["kernel"]
    bench("rekey", "--server", "127.0.0.1:1", code=3)
    bench("linerate", "--json", tmp_path / "nowhere" / "x.json", code=2)


def test_what_is_no_file_is_written_to_and_stays_what_it_is(tmp_path):
    words = ["linerate", "--suite", "aes128-gcm", "--payload", 64, "--seconds", 0.01, "--rounds", 1, "--load", 0, "-q"]
    pipe, file, link = tmp_path / "pipe", tmp_path / "file", tmp_path / "link"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        bench(*words, "--json", pipe)
        assert json.loads(reader.communicate(timeout=TIMEOUT)[0])["kind"] == "linerate"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    link.symlink_to(file)
    file.write_text("")
    bench(*words, "--json", link)
    assert link.is_symlink() and json.loads(file.read_text())["passed"]
    assert "same file" in bench(*words, "--json", file, "--html", file, code=2).stderr
    assert "folder" in bench(*words, "--json", tmp_path, code=2).stderr
    assert sorted(tmp_path.iterdir()) == [file, link, pipe]


def test_compare_reads_pipes_and_no_more_than_a_result_has(tmp_path):
    file = tmp_path / "result"
    bench("linerate", "--suite", "aes128-gcm", "--payload", 64, "--seconds", 0.01, "--load", 0, "-q", "--json", file)
    done = subprocess.run(["bash", "-c", f"{SLUICE} bench compare <(cat {file}) {file}"], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0 and "the same within the noise" in done.stdout, done.stderr
    assert "too large" in bench("compare", "/dev/zero", file, code=2).stderr
    assert bench("compare", tmp_path, file, code=2).stderr


@pytest.mark.parametrize("words", [["--listen", "nowhere"], ["--listen", "::1"], ["--listen", "203.0.113.9"], ["--port"]])
def test_serving_where_it_cannot_says_why(words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        if words == ["--port"]:
            words = ["--port", taken.getsockname()[1]]
        said = bench("rekey", "--serve", "--seconds", 1, *words, code=3).stderr
    assert str(words[1]) in said and "invariant" not in said


def test_a_signal_leaves_no_files_behind(tmp_path):
    words = [str(SLUICE), "bench", "transfer", "--pair", "sluice-cp+sluiced", "--size", "8M", "--rounds", "1000", "--folder", str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        while not run.stderr.readline().startswith("2/"):
            assert run.poll() is None
        assert list(tmp_path.iterdir())
        run.terminate()
        run.communicate(timeout=TIMEOUT)
    assert run.returncode == 128 + signal.SIGTERM and not list(tmp_path.iterdir())


def socket_of_a_child(pid):
    """Of the far end of a vhost that a run has started, once it is there."""
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        place = re.search(r"iface=([^,]+)", pathlib.Path(f"/proc/{child}/cmdline").read_text())
        if place and os.path.exists(place[1]):
            return place[1]
    return None


@pytest.mark.skipif(not (SLUICE.parent.parent.parent / "drivers/sluice-dpdk.so").exists(), reason="built without DPDK")
def test_a_signal_leaves_no_socket_of_a_port_behind():
    words = [str(SLUICE), "bench", "linerate", "--port-dev", "vhost", "--suite", "aes128-gcm", "--payload", "64", "--seconds", "600"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        place = None
        while place is None:
            assert run.poll() is None
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                place = socket_of_a_child(run.pid)
            time.sleep(0.02)
        run.terminate()
        assert run.wait(timeout=TIMEOUT) == 128 + signal.SIGTERM
    assert not os.path.exists(place) and os.path.dirname(place) not in ("/tmp", "/dev/shm")


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="no gnuplot here")
def test_names_of_programs_run_nothing_and_are_no_markup(tmp_path):
    place = tmp_path / "a`touch pwned`<script>"
    place.mkdir()
    shutil.copy(shutil.which("sftp"), place / "sftp")
    html = tmp_path / "report.html"
    bench("transfer", "--pair", f"sftp={place}/sftp+sluiced", "--size", "1000,2000", "--way", "put", "--rounds", 1, "--html", html, "-q")
    assert "<svg" in html.read_text() and "<script" not in html.read_text() and not os.path.exists("pwned")


@WITHOUT_SSHD
def test_rekey_of_an_sshd_by_both_ends(tmp_path):
    report = result(tmp_path, "rekey", "--server", "sshd", "--sessions", 2, "--seconds", 3, "--calm", 0, "--mode", "volume", "--volume", "256K")
    assert rows(report)["with rekeys"]["rekeys"]["median"] > 0


@WITHOUT_SSHD
def test_rekey_leaves_out_of_a_mix_what_an_sshd_lacks_and_says_so(tmp_path):
    lacking = {"mlkem768x25519-sha256"} - set(subprocess.run(["ssh", "-Q", "kex"], capture_output=True, text=True).stdout.split())
    report = result(tmp_path, "rekey", "--server", "sshd", "--kex", "mixed", "--suite", "mixed", "--sessions", 12, "--seconds", 4, "--calm", 0,
                    "--mode", "volume", "--volume", "128K", "--by", "client")
    row = rows(report)["with rekeys"]
    assert row["rekeys"]["median"] > 0 and row["errors"]["median"] == 0 and not report["failures"]
    said = [remark for remark in report["remarks"] if "left out of the mix" in remark]
    for name in lacking:
        assert name in said[0]


class Greeter:
    """Says something to whoever connects, and closes."""
    def __init__(self, answer):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answer = answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                connection = self.socket.accept()[0]
                # Who hangs up may do it with a reset; the next one is answered all the same.
                with contextlib.suppress(ConnectionError):
                    self.answer(connection)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


TRUSTING = ["--user", "any", "--option", "StrictHostKeyChecking no", "--option", "UserKnownHostsFile /dev/null"]


def test_rekey_fails_when_nothing_of_a_mix_is_the_servers(tmp_path):
    lists = ["strange@example.com", "ssh-ed25519", *["aes128-ctr"] * 2, *["hmac-sha2-256"] * 2, *["none"] * 2, "", ""]
    payload = bytes([20]) + bytes(16) + b"".join(struct.pack(">I", len(one)) + one.encode() for one in lists) + bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)

    def greet(connection):
        with connection:
            connection.sendall(b"a line before it\r\nSSH-2.0-Strange\r\n" + packet)
            connection.settimeout(TIMEOUT)
            while connection.recv(4096):
                pass
    with Greeter(greet) as server:
        report = result(tmp_path, "rekey", "--server", f"127.0.0.1:{server.port}", "--kex", "mixed", "--sessions", 1, "--seconds", 1, "--calm", 0,
                        "--neighbours", 0, "--mode", "time", *TRUSTING, code=1)
    assert any("no key exchange method of the mix" in one and "strange@example.com" in one for one in report["failures"])


def test_rekey_comes_again_where_a_server_turns_logins_away_for_load(tmp_path):
    """Every other connection is told that there are too many: none of that is an error of a session."""
    server = subprocess.Popen([SLUICE, "bench", "rekey", "--serve"], stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline().split()[0])
    came = itertools.count()

    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def admit(connection):
        if next(came) % 2 == 1:
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"Exceeded MaxStartups\r\n")
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(TIMEOUT)
                while connection.recv(4096):
                    pass
            return
        behind = socket.create_connection(("127.0.0.1", port))
        for ends in ((connection, behind), (behind, connection)):
            threading.Thread(target=carry, args=ends, daemon=True).start()
    try:
        with Greeter(lambda connection: threading.Thread(target=admit, args=(connection,), daemon=True).start()) as proxy:
            report = result(tmp_path, "rekey", "--server", f"127.0.0.1:{proxy.port}", "--sessions", 6, "--seconds", 2, "--calm", 0, "--neighbours", 1,
                            "--mode", "time", "--interval", 0.5, *TRUSTING)
    finally:
        server.terminate()
        server.communicate(timeout=60)
    row = rows(report)["with rekeys"]
    assert row["rekeys"]["median"] > 0 and row["errors"]["median"] == 0 and row["turned away"]["median"] >= 3
    assert any("turned logins away for load" in one for one in report["remarks"])


def test_rekey_of_sluiced(tmp_path):
    report = result(tmp_path, "rekey", "--server", "sluiced", "--sessions", 3, "--seconds", 2, "--calm", 0, "--mode", "time", "--interval", 0.3)
    assert rows(report)["with rekeys"]["rekeys"]["median"] > 0 and report["settings"]["by"] == "client"


def test_rekey_by_stock_ssh(tmp_path):
    report = result(tmp_path, "rekey", "--client", "ssh", "--sessions", 2, "--seconds", 3, "--calm", 0, "--mode", "volume", "--volume", "512K")
    row = rows(report)["with rekeys"]
    assert row["rekeys"]["median"] > 0 and row["errors"]["median"] == 0


def test_serving_gives_stock_ssh_its_bytes_back_over_many_rekeys():
    server = subprocess.Popen([SLUICE, "bench", "rekey", "--serve", "--mode", "volume", "--volume", "64K"], stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().split()[0]
        # While keys are exchanged more goes by than a volume: on a slow machine a handful of rekeys is all.
        data = random.Random(5).randbytes(12_000_000)
        done = subprocess.run(["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                               "-o", "LogLevel=ERROR", "-o", "IdentityAgent=none", "-p", port, "any@127.0.0.1", "cat"], input=data,
                              capture_output=True, timeout=TIMEOUT)
        assert done.returncode == 0 and done.stdout == data, (done.returncode, len(done.stdout), done.stderr)
    finally:
        server.send_signal(signal.SIGTERM)
        said = server.communicate(timeout=60)[0]
    assert int(said.split()[-1]) >= 3, said


def test_linerate_has_rates_latencies_and_cores(tmp_path):
    report = result(tmp_path, "linerate", "--suite", "aes128-gcm,chacha20-poly1305", "--payload", "64,1400", "--driver", "auto,openssl",
                    "--seconds", 0.01, "--rounds", 1)
    found = rows(report)
    row = found["seal aes128-gcm 1400 openssl"]
    for name in ("payload", "wire", "records", "cores for 10 GbE", "cores for 400 GbE", "at 10 % load p50", "at 90 % load max"):
        assert row[name]["median"] > 0, name
    assert row["wire"]["median"] > row["payload"]["median"]
    assert abs(row["cores for 400 GbE"]["median"] / row["cores for 10 GbE"]["median"] - 40) < 0.01
    assert len(found) == 2 * 2 * 2 * 2
    bench("linerate", "--suite", "aes128-gcm", "--payload", "64", "--seconds", 0.01, "--rounds", 1, "--least-gbps", 100000, "-q", code=1)


@pytest.mark.parametrize("port", ["kernel", "memif", "vhost"])
def test_linerate_has_a_port_in_its_loop(tmp_path, port):
    report = result(tmp_path, "linerate", "--port-dev", port, "--suite", "aes128-gcm,aes256-ctr+hmac-sha2-512-etm", "--payload", "64,32768",
                    "--load", "10", "--seconds", 0.02, "--rounds", 1)
    found = rows(report)
    assert len(found) == 2 * 2 * 2
    for way in ("seal", "open"):
        for size in (64, 32768):
            row = found[f"{way} aes128-gcm {size} auto over {port}"]
            assert row["payload"]["median"] > 0 and row["cores for 10 GbE"]["median"] > 0
            assert ("at 10 % load p99" in row) == (way == "seal")
    assert ("net_" in report["settings"]["port"]) == (port != "kernel")


def test_linerate_over_a_port_asks_a_far_end_of_its_own(tmp_path):
    with subprocess.Popen([SLUICE, "bench", "linerate", "--serve", "--port-dev", f"net_memif0,role=server,id=0,socket=linerate-{os.getpid()}",
                           "--port-address", "198.18.7.1/24"], stdout=subprocess.PIPE, text=True) as far:
        try:
            assert far.stdout.readline() == "ready\n"
            near = ["--port-dev", f"net_memif0,role=client,id=0,socket=linerate-{os.getpid()}", "--port-address", "198.18.7.2/24"]
            found = rows(result(tmp_path, "linerate", *near, "--peer", "198.18.7.1", "--suite", "chacha20-poly1305", "--payload", "1400",
                                "--seconds", 0.02, "--rounds", 1))
            assert found["open chacha20-poly1305 1400 auto over net_memif0"]["payload"]["median"] > 0
        finally:
            far.terminate()
            far.wait(TIMEOUT)
    assert far.returncode == 0


@pytest.mark.parametrize("words,said", [(["--serve"], "--port-dev"), (["--port-dev", "net_tap0"], "--port-address"),
                                        (["--port-dev", "net_tap0", "--port-address", "198.18.0.1/24"], "--peer"),
                                        (["--port-dev", "memif", "--peer", "198.18.0.1"], "both ends"),
                                        (["--port-dev", "memif", "--driver", "openssl:dynamic"], "ipsec_mb")])
def test_what_a_port_lacks_is_said(words, said):
    assert said in bench("linerate", *words, code=2).stderr


def test_sessions_log_in_wait_and_work(tmp_path):
    report = result(tmp_path, "sessions", "--server", "sluiced", "--sessions", 20, "--hold", 0.5, "--active", 3, "--seconds", 1, "--rounds", 1)
    found = rows(report)
    assert found["logins sluiced"]["rate"]["median"] > 0 and found["20 idle sluiced"]["lost"]["median"] == 0
    assert 0 < found["3 active sluiced"]["fairness (Jain)"]["median"] <= 1


def test_compare_finds_what_got_worse_and_what_is_gone(tmp_path):
    old = tmp_path / "old.json"
    report = result(tmp_path, "linerate", "--suite", "aes128-gcm", "--payload", "1400", "--direction", "seal", "--load", "0", "--seconds",
                    0.01, "--rounds", 3)
    old.write_text(json.dumps(report))
    slower, gone = tmp_path / "slower.json", tmp_path / "gone.json"
    for measure in report["rows"][0]["measures"]:
        if measure["name"] == "payload":
            measure["rounds"] = [value / 1000 for value in measure["rounds"]]
    slower.write_text(json.dumps(report))
    assert re.search(r"^WORSE +seal aes128-gcm 1400 auto, payload", bench("compare", old, slower, code=1).stdout, re.M)
    assert re.search(r"^better", bench("compare", slower, old).stdout, re.M)
    report["rows"] = []
    gone.write_text(json.dumps(report))
    assert re.search(r"^gone", bench("compare", old, gone, code=1).stdout, re.M)
    gone.write_text("[" * 100000)
    assert "no JSON" in bench("compare", old, gone, code=2).stderr


def test_a_terminal_has_bars_and_a_file_has_lines():
    words = [str(SLUICE), "bench", "linerate", "--suite", "aes128-gcm", "--payload", "64,1400", "--seconds", "0.01", "--rounds", "1", "--load", "0"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(words[0], words)
    shown, deadline = b"", time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        shown += piece
        if not piece:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"####" in shown and b"\033[" in shown
    plain = subprocess.run(words, capture_output=True, timeout=TIMEOUT)
    assert b"4/4" in plain.stderr and b"\033" not in plain.stderr + plain.stdout
