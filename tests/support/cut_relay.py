"""CutRelay: a TCP relay in front of a server that cuts each connection after so many bytes, both ways together."""
import socket
import threading


class CutRelay:
    """`budgets`: of the connections to come, in their order; beyond them nothing is cut."""

    def __init__(self, port, budgets=()):
        self.target, self.budgets = port, list(budgets)
        self.lock = threading.Lock()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(30)

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            left = [self.budgets.pop(0) if self.budgets else None]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(source, sink, left), daemon=True).start()

    def pump(self, source, sink, left):
        try:
            while data := source.recv(65536):
                with self.lock:
                    if left[0] is not None:
                        data = data[:left[0]]
                        left[0] -= len(data)
                if data:
                    sink.sendall(data)
                if left[0] == 0:
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
