"""What takes long to find out about a gallery as it is now: found once, beside the answers."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from reid_jax.app.workers.children import ChildError
from reid_jax.errors import UserError

Found = TypeVar("Found")


class Finding(Generic[Found]):
    """Finds something out in a thread, and keeps the last that was found.

    Args:
      find: finds it; raises a UserError or a ChildError where that cannot be.
    """

    def __init__(self, find: Callable[[], Found]) -> None:
        self._find = find
        self._alone = threading.Lock()
        self._at_work = False
        self._known: tuple[Hashable, Found | None, str] | None = None

    def look(self, state: Hashable) -> tuple[Found | None, bool, str]:
        """What was found of a state; whether somebody is at it; or why it is not known.

        Args:
          state: of what it is about; of another one it is found anew.
        """
        with self._alone:
            if self._known is not None and self._known[0] == state:
                return self._known[1], False, self._known[2]
            if not self._at_work:
                self._at_work = True
                threading.Thread(target=self._work, args=(state,), daemon=True).start()
            return None, True, ""

    def _work(self, state: Hashable) -> None:
        found, why = None, "it failed"
        try:
            found, why = self._find(), ""
        except (UserError, ChildError) as error:
            why = str(error)
        finally:
            with self._alone:
                self._known, self._at_work = (state, found, why), False
