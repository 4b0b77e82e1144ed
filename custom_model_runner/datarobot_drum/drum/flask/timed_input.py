"""What the development server reads from a connection, with the deadline of its request."""

from __future__ import annotations

import io
import math
import socket
from typing import Any

from datarobot_drum.drum.root_predictors.deadlines import NOT_RECEIVED, Deadline, current_deadline


class TimedInput(io.RawIOBase):
    """The bytes of a connection that serves one request; the connection is not closed with it.

    A read takes no longer than the connection's own timeout (TimeoutError). Once the app has been
    called it also ends at the request's deadline, with DeadlineExceeded; what the client sends
    after that is not read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._timeout = connection.gettimeout()
        self._is_over = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for the next bytes; 0 at the end."""
        if self._is_over:
            return 0
        deadline = current_deadline.get()
        if deadline is None or deadline.left >= (self._timeout or math.inf):
            return self._connection.recv_into(buffer)
        return self._read_until(deadline, buffer)

    def _read_until(self, deadline: Deadline, buffer: Any) -> int:
        left = deadline.left
        try:
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            return self._connection.recv_into(buffer)
        except TimeoutError:
            self._is_over = True
            raise deadline.error(NOT_RECEIVED) from None
        finally:
            self._connection.settimeout(self._timeout)
