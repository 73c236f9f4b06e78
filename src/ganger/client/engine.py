"""The connection's thread: one event loop per client, whoever calls, from whatever thread or loop.

Callers buffer calls and wake the loop; the loop numbers, sends, resends and completes futures.
Nothing that a user wrote runs on it. The file is longer than others because it is the one seam between
threads: what may be called from where stands side by side.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import uvloop

from ganger.client.callbacks import CallbackThread
from ganger.client.connection import Introduction, MasterConnection
from ganger.client.future import CANCELLED, FAILED, KEPT, SUCCEEDED, Future, Hold, renew_lock
from ganger.client.outbox import Outbox
from ganger.config import ClientSettings
from ganger.core.client import ClientCore, Entry, Failed, Handle, Refusal, Succeeded, Turned
from ganger.errors import (
    ClusterClosed,
    ForkedClient,
    GangerError,
    InvalidOption,
    MasterUnreachable,
    Refused,
    SubmissionRefused,
)
from ganger.net.address import Endpoint
from ganger.net.link import Link
from ganger.protocol.codec import decode_to_client, encode
from ganger.protocol.ids import SEQUENCE_MAX
from ganger.protocol.messages import (
    Accepted,
    Answer,
    Cancel,
    Cancelled,
    Failures,
    Fetch,
    Goodbye,
    Kept,
    Notice,
    Ping,
    Rejected,
    Results,
    Running,
    Runtime,
    Welcome,
)

logger = logging.getLogger("ganger")

EXIT_TIMEOUT_S = 1.0
GOODBYE_S = 1.0
"""How long a client that leaves waits for the master to hang up."""
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Engine:
    """One session with a cluster.

    Args:
        endpoints: Where masters may be.
        settings: Limits and defaults.
        runtime: What this process runs on.
        secret: For masters over TCP.
        frame_bytes_max: The longest message.
        ended: Says why the cluster is gone for good, if it is (an embedded one), else "".
    """

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        settings: ClientSettings,
        runtime: Runtime,
        secret: bytes | None,
        frame_bytes_max: int,
        ended: Callable[[], str] = lambda: "",
    ) -> None:
        self.endpoints = endpoints
        self.settings = settings
        self.ended = ended
        self.core = ClientCore(settings)
        self.payload_bytes_max = 0
        self.outbox = Outbox(settings, self._wake)
        self.callbacks = CallbackThread()
        introduction = Introduction("client", runtime, secret, session=os.urandom(16))
        self.connection = MasterConnection(
            endpoints,
            introduction,
            self,
            decode_to_client,
            frame_bytes_max,
            settings.reconnect_delay_max_s,
            logger,
        )
        self._dropped: deque[int] = deque()
        self._late_cancels: list[int] = []
        self._unusable: GangerError | None = None
        self._flush_queued = False
        self._leaving = False
        self._gone = False
        self._requests: dict[int, concurrent.futures.Future[bytes]] = {}
        self._request_count = 0
        self._first = concurrent.futures.Future[None]()
        self._handlers: dict[type, Callable[[Any], None]] = {
            Results: lambda message: self._succeed(self.core.on_results(message)),
            Accepted: self.core.on_accepted,
            Failures: self._on_failures,
            Kept: lambda message: self._turn(self.core.on_turned(message)),
            Cancelled: lambda message: self._turn(self.core.on_turned(message)),
            Running: lambda message: self._turn(self.core.on_running(message)),
            Rejected: lambda message: self._refuse(self.core.on_rejected(message)),
            Notice: lambda message: logger.warning("%s (%s)", message.text, message.hint),
            Answer: self._on_answer,
        }
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ganger-client", daemon=True)
        _engines.add(self)

    # --- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the thread; `wait_connected` says when a master has answered."""
        self._thread.start()

    def wait_connected(self, timeout_s: float) -> None:
        """Waits for the first welcome.

        Raises:
            MasterUnreachable: None came in time.
            Refused: The master turned this client away.
        """
        try:
            self._first.result(timeout_s)
        except concurrent.futures.TimeoutError:
            self.close()
            places = ", ".join(map(str, self.endpoints))
            raise MasterUnreachable(
                f"no master answered at {places} within {timeout_s:g} s",
                hint="is it running there? see: ganger status --address ADDRESS",
            ) from None
        except GangerError:
            self.close()
            raise

    def close(self, timeout_s: float = 5.0) -> None:
        """Closes the session; futures that are pending fail."""
        if isinstance(self._unusable, ForkedClient) or (self._unusable and not self._thread.is_alive()):
            return
        self._make_unusable(ClusterClosed("the client was closed"))
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._loop.call_soon_threadsafe(self._say_goodbye)
            self._thread.join(timeout_s)
        self.callbacks.close()

    def _say_goodbye(self) -> None:
        """Leaves, and waits for the master to hang up.

        A socket that is closed while the master writes to it takes along what the master has not read:
        the goodbye would be lost, and the session would linger until it times out.
        """
        link = self.connection.link
        if link is None:
            self._hang_up()
            return
        self._flush()
        link.send(encode(Goodbye()))
        self._leaving = True
        self._loop.call_later(GOODBYE_S, self._hang_up)

    def _hang_up(self) -> None:
        if self._gone:
            return
        self._gone = True
        self.connection.close()
        self._abandon(self._unusable or ClusterClosed("the client was closed"))
        self._loop.call_soon(self._loop.stop)

    def _make_unusable(self, error: GangerError) -> None:
        if self._unusable is None:
            self._unusable = error
        self.outbox.close()

    def check_usable(self) -> None:
        """Raises what makes this client unusable, if anything does.

        Raises:
            ClusterClosed: It was closed, or its cluster has ended.
            ForkedClient: It was inherited through fork().
        """
        if self._unusable is not None:
            raise type(self._unusable)(self._unusable.message, hint=self._unusable.hint)

    def forked(self) -> None:
        """In a forked child: nothing of this works here."""
        self._unusable = ForkedClient(
            "this client belongs to the parent process and does not survive fork()",
            hint="make a new one in the child: ganger.connect(...)",
        )
        self._requests.clear()
        handles = [*self.core.pending.values(), *(entry[2] for entry in self.outbox.entries)]
        self.outbox = Outbox(self.settings, self._wake)
        self.core.pending.clear()
        for handle in handles:
            _future(handle).finish(FAILED, (self._unusable, 0))

    def _abandon(self, error: GangerError) -> None:
        """Every future that is pending fails."""
        handles = [*self.core.pending.values(), *(entry[2] for entry in self.outbox.entries)]
        self.core.pending.clear()
        self.outbox.entries.clear()
        for handle in handles:
            _future(handle).finish(FAILED, (error, 0))
        self._fail_requests(error)
        if not self._first.done():
            self._first.set_exception(error)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self.connection.run())
        self._loop.create_task(self._ping())
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    # --- from any thread -------------------------------------------------------------------------

    def submit(self, entry: Entry) -> None:
        """Buffers a call; blocks while too many are buffered."""
        while not self.try_submit(entry):
            self.outbox.wait()

    def try_submit(self, entry: Entry) -> bool:
        """Buffers a call if that needs no waiting; where it does, `when_room` tells when to try again."""
        if self._unusable is not None:
            self.check_usable()
        if not self.outbox.put(entry):
            return False
        if not self._flush_queued:
            self._wake()
        return True

    def when_room(self, callback: Callable[[], None]) -> None:
        """Calls back once, from the connection's thread, when there is room or the client is unusable."""
        self.outbox.when_room(callback)

    def _wake(self) -> None:
        if not self._flush_queued:
            self._flush_queued = True
            self._loop.call_soon_threadsafe(self._flush)

    def cancel(self, futures: list[Future[Any]]) -> bool:
        """Cancels tasks. Returns False if all of them had ended already."""
        return self.cancel_soon(futures).result()

    def cancel_soon(self, futures: list[Future[Any]]) -> concurrent.futures.Future[bool]:
        """The same without waiting."""
        self.check_usable()
        answer = concurrent.futures.Future[bool]()
        self._loop.call_soon_threadsafe(self._cancel, futures, answer)
        return answer

    def fetch(self, future: Future[Any]) -> None:
        """Asks for a result that is kept at the master."""
        self._loop.call_soon_threadsafe(self._fetch, future)

    def request(self, make: Callable[[int], object]) -> concurrent.futures.Future[bytes]:
        """Sends a message that is answered; `make` gets the request's number."""
        self.check_usable()
        answer = concurrent.futures.Future[bytes]()
        self._loop.call_soon_threadsafe(self._request, make, answer)
        return answer

    def drop(self, task: int) -> None:
        """A future whose result was held is gone."""
        self._dropped.append(task)

    def unpin(self, handle: Handle) -> None:
        """A call that would have taken this result is not made; the result may be released."""
        future = _future(handle)
        future.unpin()
        if future.released and not future.pins:
            self._dropped.append(future.task)

    def run_callback(self, callback: Callable[[Any], object], future: Future[Any]) -> None:
        """Runs a user's callback in the thread kept for them."""
        self.callbacks.run(partial(callback, future))

    # --- on the loop -----------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_queued = False
        link = self.connection.link
        if link is None:
            return
        entries = self.outbox.entries
        if entries:
            orphans: list[Handle] = []
            for message in self.core.take(entries, orphans):
                link.send(encode(message))
            if orphans:
                self._lose(orphans)
            self.outbox.taken()
        self._release(link)

    def _release(self, link: Link) -> None:
        if self._dropped:
            self.core.drop([self._dropped.popleft() for _ in range(len(self._dropped))])
        release = self.core.take_releases()
        if release is not None:
            link.send(encode(release))

    def _cancel(self, futures: list[Future[Any]], answer: concurrent.futures.Future[bool]) -> None:
        reached = [future for future in futures if not future.done()]
        self._flush()
        sent = [future.task & SEQUENCE_MAX for future in reached if future.task >= 0]
        if sent and self.connection.link is not None:
            self.connection.link.send(encode(Cancel(sent)))
        else:
            self._late_cancels += sent
        unsent = {id(future) for future in reached if future.task < 0}
        if unsent:
            self.outbox.drop(unsent)
        for future in reached:
            self.core.cancelled(future)
            future.hold(Hold(self.drop, future.task))
            future.finish(CANCELLED, None)
        answer.set_result(bool(reached))

    def _fetch(self, future: Future[Any]) -> None:
        if not self.core.refetch(future):
            self._lose([future])
        elif self.connection.link is not None:
            self.connection.link.send(encode(Fetch([future.task & SEQUENCE_MAX])))

    def _request(self, make: Callable[[int], object], answer: concurrent.futures.Future[bytes]) -> None:
        if self.connection.link is None:
            answer.set_exception(
                MasterUnreachable("the master is away at present", hint="try again in a moment")
            )
            return
        self._request_count += 1
        try:
            body = encode(make(self._request_count))
        except Exception as error:
            answer.set_exception(error)
            return
        self._requests[self._request_count] = answer
        self._flush()
        self.connection.link.send(body)

    # --- what the master says --------------------------------------------------------------------

    def on_welcome(self, welcome: Welcome) -> None:
        """A master has let us in: what it has not recorded goes out again."""
        link = self.connection.link
        if link is None:
            return
        self.payload_bytes_max = welcome.payload_bytes_max
        messages, lost = self.core.welcome(welcome)
        self._lose(lost)
        for message in messages:
            link.send(encode(message))
        if self._late_cancels:
            link.send(encode(Cancel(self._late_cancels)))
            self._late_cancels = []
        if not self._first.done():
            self._first.set_result(None)
        self._flush()

    def on_message(self, message: object) -> None:
        """Results, errors, credit, answers."""
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message)
            if not self._flush_queued:
                self._flush_queued = True
                self._loop.call_soon(self._flush)

    def on_away(self, reason: str) -> None:
        """The master is away; questions must be asked again, calls need not."""
        if self._leaving:
            self._hang_up()
        self._fail_requests(
            MasterUnreachable(f"the master went away ({reason})", hint="try again in a moment")
        )

    def on_refused(self, error: Refused) -> None:
        """No master wants us."""
        self._give_up(error)

    def is_patient(self, away_s: float) -> bool:
        """Whether to go on looking for a master."""
        if self._unusable is not None:
            return False
        if why := self.ended():
            self._give_up(ClusterClosed(why, hint="make a new ganger.Cluster"))
            return False
        limit_s = self.settings.reconnect_timeout_s
        if limit_s and away_s > limit_s and self._first.done():
            self._give_up(MasterUnreachable(f"the master did not come back within {limit_s:g} s"))
            return False
        return True

    def _give_up(self, error: GangerError) -> None:
        self._make_unusable(error)
        self._abandon(error)

    def _fail_requests(self, error: GangerError) -> None:
        for request in self._requests.values():
            if request.set_running_or_notify_cancel():
                request.set_exception(error)
        self._requests.clear()

    def _lose(self, handles: list[Handle]) -> None:
        """These, or what they take, went down with a master that kept nothing."""
        error = ClusterClosed("the master was replaced by one that does not know this task or what it takes")
        for handle in handles:
            _future(handle).finish(FAILED, (error, 0))

    def _succeed(self, outcome: Succeeded) -> None:
        for handle, payload in zip(outcome.handles, outcome.payloads, strict=True):
            future = _future(handle)
            future._content = payload
            future._state = SUCCEEDED
            if future._callbacks is not None:
                future._notify()

    def _on_failures(self, message: Failures) -> None:
        for each in self.core.on_failures(message):
            self._fail(each)

    def _fail(self, outcome: Failed) -> None:
        future = _future(outcome.handle)
        future.hold(Hold(self.drop, future.task))
        future.finish(FAILED, (outcome.error, outcome.origin))

    def _turn(self, outcome: Turned) -> None:
        for handle in outcome.handles:
            future = _future(handle)
            if outcome.state == "running":
                future.runs()
                continue
            future.hold(Hold(self.drop, future.task))
            future.finish(KEPT if outcome.state == "kept" else CANCELLED, None)

    def _refuse(self, outcome: Refusal) -> None:
        error = SubmissionRefused(f"the master refused the task: {outcome.reason}", hint=outcome.hint)
        for handle in outcome.handles:
            _future(handle).finish(FAILED, (error, 0))

    def _on_answer(self, message: Answer) -> None:
        answer = self._requests.pop(message.request, None)
        if answer is None:
            return
        if not answer.set_running_or_notify_cancel():
            return
        if message.error:
            text, _, hint = message.error.partition("\nhint: ")
            answer.set_exception(InvalidOption(text, hint=hint))
        else:
            answer.set_result(message.body)

    async def _ping(self) -> None:
        message = encode(Ping())
        while True:
            await asyncio.sleep(self.settings.ping_s)
            if self.connection.link is not None:
                self._flush()
                self.connection.link.send(message)


def _future(handle: object) -> Future[Any]:
    return handle  # type: ignore[return-value]  # the core knows futures by the handle's interface only


def _after_fork() -> None:
    renew_lock()
    for engine in list(_engines):
        engine.forked()


def _say_goodbye_at_exit() -> None:
    """A program that ends without closing its clients leaves no session behind to time out."""
    for engine in list(_engines):
        engine.close(EXIT_TIMEOUT_S)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_say_goodbye_at_exit)
