"""What a worker and the arbiter above it tell each other, in memory that both see."""

from __future__ import annotations

import mmap


class Notice:
    """One yes or no, at its own place on the page."""

    def __init__(self, place: int, doc: str) -> None:
        self._place = place
        self.__doc__ = doc

    def __get__(self, board: Noticeboard, owner: type[Noticeboard]) -> bool:
        return board._page[self._place] != 0

    def __set__(self, board: Noticeboard, value: bool) -> None:
        board._page[self._place] = value


class Noticeboard:
    """A page that is made before the fork and belongs to one worker and the arbiter."""

    ready = Notice(0, "The worker has loaded its model, or answers in place of one.")
    leaving = Notice(1, "The worker takes no new requests and will end.")
    wants_successor = Notice(2, "The worker serves until another one is ready to take its place.")
    must_wait = Notice(3, "Others serve: the worker listens only when it has loaded its model.")
    server_stops = Notice(4, "Not this worker alone is stopped, but the whole server.")

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        #: is there an arbiter above this process?
        self.is_shared = False

    def close(self) -> None:
        """Give the page back; nothing can be read or written any more."""
        self._page.close()


_own: list[Noticeboard] = []


def take(board: Noticeboard) -> None:
    """Make `board` the one of this process, after the fork."""
    board.is_shared = True
    _own[:] = [board]


def own() -> Noticeboard:
    """The board of this process; without an arbiter nobody else sees it."""
    if not _own:
        _own.append(Noticeboard())
    return _own[-1]
