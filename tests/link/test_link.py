"""sluice-link as a program: what passes it is what was sent, in its time, and cuts come where they were ordered."""
import contextlib
import hashlib
import os
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.support.link import Link  # noqa: E402

BUILD = os.environ.get("SLUICE_BUILD", str(ROOT / "build"))
TIMEOUT = 60


class Server:
    """Answers each connection with `talk`."""

    def __init__(self, talk):
        self.talk = talk
        self.heard = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(TIMEOUT)
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        with connection:
            self.talk(self, connection)

    def __exit__(self, *_):
        self.listener.close()


def echo(_, connection):
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except OSError:
        pass


def count(server, connection):
    total = 0
    try:
        while data := connection.recv(65536):
            total += len(data)
        server.heard.append(("end", total))
        connection.sendall(b"bye")
    except OSError:
        server.heard.append(("reset", total))


def connect(port):
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(TIMEOUT)
    return client


def receive_all(client):
    data = bytearray()
    while part := client.recv(65536):
        data += part
    return bytes(data)


def until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("options", [{}, {"delay": 5}, {"delay": 1, "jitter": 3, "buffer": "70000"},
                                     {"rate": "20M", "loss": 0.0005, "delay": 1}], ids=str)
def test_what_comes_out_is_what_went_in(options):
    data = random.Random(1).randbytes(3 << 20)
    with Server(echo) as server, Link(BUILD, server.port, **options) as link, connect(link.port) as client:
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        back = receive_all(client)
        sender.join()
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


def test_a_delay_is_at_least_what_was_asked_in_each_direction():
    with Server(echo) as server, Link(BUILD, server.port, delay=100) as link, connect(link.port) as client:
        began = time.monotonic()
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        assert time.monotonic() - began >= 0.2


def test_a_delay_does_not_make_a_stream_slower_than_its_buffer_allows():
    """4 MiB through 100 ms in one flight: a relay that waited for each portion would need 64 round trips."""
    with Server(count) as server, Link(BUILD, server.port, delay=100) as link, connect(link.port) as client:
        began = time.monotonic()
        client.sendall(bytes(4 << 20))
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"bye"
        assert time.monotonic() - began < 5
    assert server.heard == [("end", 4 << 20)]


def test_a_rate_is_kept():
    with Server(count) as server, Link(BUILD, server.port, rate="4M") as link, connect(link.port) as client:
        began = time.monotonic()
        client.sendall(bytes(4 << 20))
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"bye"
        assert time.monotonic() - began >= 0.95


@pytest.mark.parametrize("how, heard", [("reset", "reset"), ("close", "end")])
def test_a_connection_is_cut_at_the_very_byte(how, heard):
    with Server(count) as server, Link(BUILD, server.port, cut_after=100001, cut_how=how) as link, connect(link.port) as client:
        with pytest.raises(OSError):
            for _ in range(1000):
                client.sendall(bytes(10000))
                time.sleep(0.001)
            raise AssertionError("was not cut")
        until(lambda: server.heard)
    # What a reset finds in the receiver's buffer may be lost to it.
    assert server.heard[0][0] == heard and server.heard[0][1] <= 100001
    if how == "close":
        assert server.heard == [("end", 100001)]


def test_random_cuts_follow_the_seed():
    def ends(seed):
        with Server(count) as server, Link(BUILD, server.port, cut_between=(1000, 900000), cut_how="close", seed=seed) as link:
            for n in range(5):
                with connect(link.port) as client:
                    try:
                        client.sendall(bytes(1000000))
                    except OSError:
                        pass
                    until(lambda: len(server.heard) == n + 1)
            return [total for _, total in server.heard]

    first = ends(5)
    assert len(set(first)) == 5 and all(1000 <= total <= 900000 for total in first)
    assert ends(5) == first
    assert ends(6) != first


def test_only_the_first_connections_are_cut():
    with Server(count) as server, Link(BUILD, server.port, cut_after=10, cut_how="close", cuts=1) as link:
        for _ in range(2):
            with connect(link.port) as client:
                client.sendall(bytes(1000))
                # The one that is cut may be gone before its end is said.
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
                    receive_all(client)
        until(lambda: len(server.heard) == 2)
    assert sorted(total for _, total in server.heard) == [10, 1000]


def test_a_frozen_connection_stays_open_and_silent():
    with Server(echo) as server, Link(BUILD, server.port, cut_after=10, cut_how="freeze") as link, connect(link.port) as client:
        client.sendall(bytes(100))
        client.settimeout(1)
        with pytest.raises(TimeoutError):
            while client.recv(100):
                pass


def test_one_direction_ends_and_the_other_goes_on():
    with Server(echo) as server, Link(BUILD, server.port, half_close_up=1000) as link, connect(link.port) as client:
        client.sendall(bytes(1000))
        # The echo of all of it, and the server's end after ours; our own side was never shut.
        assert len(receive_all(client)) == 1000


def test_a_server_that_is_not_there_closes_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Link(BUILD, port) as link, connect(link.port) as client:
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("words", [[], ["--to", "x"], ["--to", "h:1", "--loss", "0.1"], ["--to", "h:1", "--rate", "5X"],
                                   ["--to", "h:1", "--nothing", "1"]], ids=str)
def test_wrong_options_are_named(words):
    done = subprocess.run([f"{BUILD}/tests/link/sluice-link", *words], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2 and "usage" in done.stderr
