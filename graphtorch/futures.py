"""`torch.futures`: a value that somebody sets later.

>>> f = Future()
>>> f.set_result(2)
>>> f.then(lambda done: done.value() + 1).wait()
3
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from . import absent

T = TypeVar("T")


class Future(Generic[T]):
    """A value or an error that comes later; `wait` returns or raises it."""

    def __init__(self, *, devices: Any = None):
        self._condition = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Future], Any]] = []

    def done(self) -> bool:
        """Whether it is set."""
        return self._done

    def wait(self) -> T:
        """Wait for the value; raises the error that was set instead."""
        with self._condition:
            self._condition.wait_for(lambda: self._done)
        if self._error is not None:
            raise self._error
        return self._value

    def value(self) -> T:
        """The value; raises RuntimeError if it is not set yet."""
        if not self._done:
            raise RuntimeError("value() is called on a future that is not completed; use wait()")
        return self.wait()

    def _set(self, value: Any, error: BaseException | None) -> None:
        with self._condition:
            if self._done:
                raise RuntimeError("Future can only be set once: it is already completed")
            self._value, self._error, self._done = value, error, True
            self._condition.notify_all()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def set_result(self, result: T) -> None:
        """Set the value."""
        self._set(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Set an error for `wait` to raise."""
        if not isinstance(result, BaseException):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._set(None, result)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call `callback(self)` when it is set, or now."""
        with self._condition:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """A future of what `callback(self)` returns."""
        result: Future[Any] = Future()

        def run(done: Future[T]) -> None:
            try:
                value = callback(done)
            except Exception as error:
                result.set_exception(error)
            else:
                result.set_result(value)

        self.add_done_callback(run)
        return result


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future of the list, set when all in it are."""
    result: Future[list[Future]] = Future()
    waiting = [len(futures)]
    lock = threading.Lock()

    def count(_: Future) -> None:
        with lock:
            waiting[0] -= 1
            last = waiting[0] == 0
        if last:
            result.set_result(futures)

    if not futures:
        result.set_result(futures)
    for future in futures:
        future.add_done_callback(count)
    return result


def wait_all(futures: list[Future]) -> list[Any]:
    """The values of all; raises the first error."""
    return [f.wait() for f in collect_all(futures).wait()]


__getattr__ = absent.names_of(__name__)
