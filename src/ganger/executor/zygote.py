"""The zygote forks executors from a warm, single-threaded process, and outlives none of them.

It has the executor's modules loaded and nothing else running, so a new executor is ready in a few
milliseconds. It is the parent of all executors: it reaps them, ends each with its process group,
and when its agent is gone it ends them all. An executor dies with its zygote.
"""

from __future__ import annotations

import array
import contextlib
import os
import resource
import select
import signal
import socket
import sys
from typing import NoReturn

from ganger.executor.child import ExecutorLimits, run_executor
from ganger.protocol.codec import decode_to_zygote, encode
from ganger.protocol.executor_messages import Exited, Fork, Forked, Kill
from ganger.protocol.framing import FrameParser, frame
from ganger.runtime.process import die_with_parent, name_process

MESSAGE_BYTES_MAX = 1 << 16
FAILED_EXIT = 70


class Zygote:
    """Forks, reaps and ends executors at the agent's word.

    Args:
        sock: A socket pair to the agent.
        limits: Passed on to executors.
    """

    def __init__(self, sock: socket.socket, limits: ExecutorLimits) -> None:
        self.sock = sock
        self.limits = limits
        self.children: set[int] = set()
        self._parser = FrameParser(MESSAGE_BYTES_MAX)
        self._descriptors: list[int] = []

    def serve(self) -> None:
        """Works until the agent is gone; then every executor ends."""
        wake_read, wake_write = os.pipe()
        watched: list[int] = [self.sock.fileno(), wake_read]
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            while True:
                readable, _, _ = select.select(watched, [], [])
                if wake_read in readable:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                    self._reap()
                if self.sock.fileno() in readable and not self._receive():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            for pid in list(self.children):
                self._kill(pid)

    def _receive(self) -> bool:
        data, ancillary, _, _ = self.sock.recvmsg(MESSAGE_BYTES_MAX, socket.CMSG_SPACE(64 * 4))
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(content[: len(content) - len(content) % received.itemsize])
                self._descriptors.extend(received)
        if not data:
            return False
        for body in self._parser.feed(data):
            message = decode_to_zygote(body)
            if type(message) is Fork:
                self._fork(message)
            elif type(message) is Kill:
                self._kill(message.pid)
        return True

    def _fork(self, request: Fork) -> None:
        executor_socket, ring = self._descriptors[:2]
        del self._descriptors[:2]
        pid = os.fork()
        if not pid:
            self._become_executor(request, executor_socket, ring)
        os.close(executor_socket)
        os.close(ring)
        self.children.add(pid)
        self._send(Forked(pid))

    def _become_executor(self, request: Fork, executor_socket: int, ring: int) -> NoReturn:
        code = FAILED_EXIT
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.sock.close()
            os.setpgid(0, 0)
            die_with_parent()
            name_process("ganger-executor")
            sys.path[:] = [*request.paths, *(path for path in sys.path if path not in request.paths)]
            run_executor(socket.socket(fileno=executor_socket), ring, request.preload, self.limits)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _kill(self, pid: int) -> None:
        if pid not in self.children:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self.children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self.children.discard(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._send(Exited(pid, os.waitstatus_to_exitcode(status), _peak_bytes(usage)))

    def _send(self, message: object) -> None:
        self.sock.sendall(frame(encode(message)))


def _peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fork_zygote(limits: ExecutorLimits) -> tuple[socket.socket, int]:
    """Forks the zygote from this process, which must still have a single thread and no event loop.

    Returns:
        The agent's end of the socket pair, and the zygote's pid.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    code = FAILED_EXIT
    try:
        ours.close()
        os.setpgid(0, 0)
        name_process("ganger-zygote")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        Zygote(theirs, limits).serve()
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)
