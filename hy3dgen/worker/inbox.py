# SPDX-License-Identifier: Apache-2.0
"""Open requests, and events that nobody has collected yet. Safe to use from several threads."""

import threading
from collections.abc import Callable

from hy3dgen.worker.protocol import Event, Preview, Progress


class Inbox:
    """Sees to it that each request ends once, and that its end is collected by whoever waits.

    A request belongs to `poll`, or to one caller of `wait`. Of several progress events of one
    request, or previews with the same names, only the last is kept, so a caller that is slow to
    collect costs no memory.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._open: dict[int, Callable[[], None]] = {}
        self._waited_for: set[int] = set()
        self._dropped: set[int] = set()  # still open, but nobody will collect their events

    def register(self, request: int, waited_for: bool, at_end: Callable[[], None]) -> None:
        with self._changed:
            self._open[request] = at_end
            if waited_for:
                self._waited_for.add(request)

    def is_open(self, request: int) -> bool:
        with self._changed:
            return request in self._open

    def open_requests(self) -> list[int]:
        with self._changed:
            return list(self._open)

    def deliver(self, event: Event) -> None:
        """Take in an event of an open request; anything but Progress and Preview ends it."""
        with self._changed:
            if isinstance(event, (Progress, Preview)):
                self._events = [old for old in self._events if not _replaces(event, old)]
            else:
                self._open.pop(event.request)()
            if event.request not in self._dropped:
                self._events.append(event)
            elif event.request not in self._open:
                self._dropped.remove(event.request)
            self._changed.notify_all()

    def poll(self) -> list[Event]:
        """The events that no `wait` will collect, oldest first."""
        with self._changed:
            events = [event for event in self._events if event.request not in self._waited_for]
            self._events = [event for event in self._events if event.request in self._waited_for]
        return events

    def wait(self, request: int) -> list[Event]:
        """The next events of `request`, at least one."""
        with self._changed:
            # In slices, so that Ctrl-C gets through on Windows.
            while not (found := [event for event in self._events if event.request == request]):
                self._changed.wait(0.2)
            self._events = [event for event in self._events if event.request != request]
        return found

    def wait_until_ended(self, request: int, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: request not in self._open, timeout)

    def drop(self, request: int) -> None:
        """Nobody waits for `request` any more."""
        with self._changed:
            self._waited_for.discard(request)
            self._events = [event for event in self._events if event.request != request]
            if request in self._open:
                self._dropped.add(request)


def _replaces(event: Event, old: Event) -> bool:
    """Whether `old`, which nobody has collected, says nothing any more once `event` is there."""
    if type(old) is not type(event) or old.request != event.request:
        return False
    return not isinstance(event, Preview) or old.arrays.keys() == event.arrays.keys()
