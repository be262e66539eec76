"""Something between the package and Moorline that loses answers, or is no Moorline at all."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Middle:
    """Listens on a free port and gives each connection to `handle`, in a thread of its own."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.seen += 1
            threading.Thread(target=self._one, args=(peer,), daemon=True).start()

    def _one(self, peer: socket.socket) -> None:
        with peer:
            self._handle(peer)

    def __enter__(self) -> "Middle":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()


def loses_answers(port: int, count: int) -> tuple[Middle, list[bytes]]:
    """Passes requests on and cuts the connection instead of the first `count` answers; and the answers it lost."""
    lost: list[bytes] = []

    def handle(peer: socket.socket) -> None:
        request = read_request(peer)
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(request.replace(b"Accept: ", b"Connection: close\r\nAccept: "))
            answer = b""
            while piece := server.recv(65536):
                answer += piece
        if len(lost) < count:
            lost.append(answer)
        else:
            peer.sendall(answer.replace(b"connection: close\r\n", b""))

    return Middle(handle), lost


def says(answer: bytes) -> Middle:
    """Answers everything with the same bytes."""

    def handle(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(answer)

    return Middle(handle)


def read_request(peer: socket.socket) -> bytes:
    """One request with its body."""
    said = b""
    while b"\r\n\r\n" not in said:
        piece = peer.recv(65536)
        if not piece:
            return said
        said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body
