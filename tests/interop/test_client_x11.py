"""X11 through sshd: programs there reach a display here with the display's own cookie, which the server never learns."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import foreign_servers as foreign  # noqa: E402
from test_client_ssh import Client, PATIENCE, keys, patience  # noqa: E402, F401

COOKIE = bytes(range(16, 32))
pytestmark = pytest.mark.skipif(not shutil.which("xauth") or not pathlib.Path("/usr/bin/xauth").exists(), reason="there is no xauth")


class Display:
    """A server of X11 as far as its greeting: it keeps who came with which cookie, refuses, and says so in 8 bytes more."""

    def __init__(self):
        for number in range(60, 600):
            self.listener = socket.socket()
            with contextlib.suppress(OSError):
                self.listener.bind(("127.0.0.1", 6000 + number))
                self.listener.listen()
                self.name = f"127.0.0.1:{number}"
                break
            self.listener.close()
        self.seen = []

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while len(data) < 12 + 20 + 16 and (piece := connection.recv(4096)):
                    data += piece
                order = "little" if data[:1] == b"l" else "big"
                name, cookie = (int.from_bytes(data[at:at + 2], order) for at in (6, 8))
                at = 12 + (name + 3 & ~3)
                self.seen.append((data[12:12 + name], data[at:at + cookie]))
                reason = b"seen"
                connection.sendall(bytes([0, len(reason)]) + (11).to_bytes(2, order) + (0).to_bytes(2, order) + (1).to_bytes(2, order) + reason)


@pytest.fixture(scope="module")
def server(keys, tmp_path_factory):
    with foreign.sshd(keys, tmp_path_factory.mktemp("sshd"), "X11Forwarding yes\nX11UseLocalhost yes\nXAuthLocation /usr/bin/xauth",
                      pam=False) as running:
        yield running


@pytest.fixture
def display():
    with Display() as shown:
        yield shown


@pytest.fixture
def client(tmp_path, server, keys, display):
    client = Client(tmp_path, server.port, keys.user["ssh-ed25519"])
    authority = tmp_path / "authority"
    subprocess.run(["xauth", "-q", "-f", authority, "add", display.name, "MIT-MAGIC-COOKIE-1", COOKIE.hex()], check=True, capture_output=True)
    client.environment.update(DISPLAY=display.name, XAUTHORITY=str(authority))
    return client


# The greeting of a program that has the cookie which xauth knows for $DISPLAY, or another one; shows the answer.
PROGRAM = """python3 -c "
import os, socket, subprocess, sys
name = os.environ['DISPLAY']; number = int(name.rsplit(':', 1)[1].split('.')[0])
listed = subprocess.run(['xauth', 'list', name.replace('localhost', 'unix')], capture_output=True, text=True).stdout.split()
cookie = bytes.fromhex(listed[2]) if '%s' == 'own' else bytes(16)
far = socket.create_connection(('127.0.0.1', 6000 + number))
order = '%s'
two = lambda n: n.to_bytes(2, order)
kind = b'MIT-MAGIC-COOKIE-1'
data = (b'l' if order == 'little' else b'B') + bytes(1) + two(11) + two(0) + two(len(kind)) + two(16) + bytes(2) + kind + bytes(2) + cookie
for i in range(0, len(data), 7): far.sendall(data[i:i + 7])
answer = b''
while piece := far.recv(100): answer += piece
print(listed[1], listed[2], answer)
" """


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_program_there_reaches_the_display_here_by_the_real_cookie(client, display, order):
    said = client.run("-Y", "test", PROGRAM % ("own", order)).stdout.decode()
    assert "seen" in said and "MIT-MAGIC-COOKIE-1" in said
    assert display.seen == [(b"MIT-MAGIC-COOKIE-1", COOKIE)]
    assert COOKIE.hex() not in said, "the server has another one"


def test_a_stock_program_is_content(client, display):
    if not shutil.which("xdpyinfo"):
        pytest.skip("xdpyinfo is not there")
    done = client.run("-Y", "test", "xdpyinfo", code=None)
    assert display.seen == [(b"MIT-MAGIC-COOKIE-1", COOKIE)], done.stderr


def test_another_cookie_never_reaches_the_display(client, display):
    done = client.run("-Y", "test", PROGRAM % ("other", "little"))
    assert b"seen" not in done.stdout and b"wrong authentication" in done.stderr
    assert display.seen == []


def test_x11_is_forwarded_only_when_asked_for(client, display):
    assert client.run("test", "echo \"<$DISPLAY>\"").stdout == b"<>\n"
    assert client.run("-Y", "-x", "-o", "ForwardX11=yes", "test", "echo \"<$DISPLAY>\"").stdout != b"<>\n", "what is said first holds"
    assert client.run("-x", "-o", "ForwardX11=yes", "test", "echo \"<$DISPLAY>\"").stdout == b"<>\n"
    client.environment.pop("DISPLAY")
    assert client.run("-Y", "test", "echo \"<$DISPLAY>\"").stdout == b"<>\n"


def test_without_a_cookie_of_the_display_one_is_made_up_and_told(client, display):
    client.environment["XAUTHORITY"] = "/nowhere"
    done = client.run("-Y", "test", PROGRAM % ("own", "little"))
    assert b"No xauth data" in done.stderr and b"seen" in done.stdout
    (name, cookie), = display.seen
    assert name == b"MIT-MAGIC-COOKIE-1" and cookie != COOKIE and len(cookie) == 16


def test_signals_are_heard_while_xauth_takes_its_time(client, display, tmp_path):
    xauth = tmp_path / "xauth"
    xauth.write_text(f"#!/bin/sh\ntouch {tmp_path}/runs\nexec sleep 600\n")
    xauth.chmod(0o755)
    with subprocess.Popen(client.words("-Y", "-o", f"XAuthLocation={xauth}", "test", "echo never"), env=client.environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
        until = time.monotonic() + 60
        while not (tmp_path / "runs").exists() and time.monotonic() < until:
            time.sleep(0.02)
        began = time.monotonic()
        waiting.terminate()
        out, err = waiting.communicate(timeout=60)
    # Less than xauth may take.
    assert time.monotonic() - began < 15 and out == b"" and b"Killed by signal 15" in err, err


def test_untrusted_programs_need_a_display_that_knows_them(client, display):
    """This one does not have the extension by which keys for them are made: no connection is better than a trusted one."""
    done = client.run("-X", "test", "echo \"<$DISPLAY>\"")
    assert done.stdout == b"<>\n" and b"made no key for untrusted X11 programs" in done.stderr and b"-Y" in done.stderr


def test_untrusted_programs_have_a_key_and_a_time_of_their_own(client, display, tmp_path):
    """xauth's part played by a program that makes keys as a display would."""
    xauth = tmp_path / "xauth"
    xauth.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n[ "$3" = list ] && echo "h/unix:1  MIT-MAGIC-COOKIE-1  {bytes(16).hex()[2:]}ab"\nexit 0\n')
    xauth.chmod(0o755)
    options = ("-X", "-o", f"XAuthLocation={xauth}")
    assert b"seen" in client.run(*options, "test", PROGRAM % ("own", "little")).stdout
    assert display.seen[0][1] == bytes(15) + b"\xab"
    assert "untrusted timeout 1260" in (tmp_path / "asked").read_text()
    done = client.run(*options, "-o", "ForwardX11Timeout=1", "test", "sleep 2;" + PROGRAM % ("own", "little"), code=None)
    assert b"ForwardX11Timeout expired" in done.stderr and len(display.seen) == 1, done.stderr
