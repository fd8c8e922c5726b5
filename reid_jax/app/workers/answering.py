"""What a child program of the server does: it answers requests, one line of JSON each."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from reid_jax.errors import UserError

Request = dict[str, Any]
Tell = Callable[[Request], None]
"""Says how far it is, while a request is worked on."""

DONE, TOLD, REFUSED, FAILED = "done", "told", "refused", "failed"


def answer_requests(answer: Callable[[Request, Tell], Request]) -> None:
    """Answers the lines of stdin on stdout until stdin ends, which it does with the server.

    What libraries print goes to stderr. A `UserError` is an answer; what nobody expected is one,
    too, and its traceback goes to stderr.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(kind: str, content: object) -> None:
        out.write(json.dumps({kind: content}) + "\n")
        out.flush()

    for line in sys.stdin:
        try:
            say(DONE, answer(json.loads(line), lambda content: say(TOLD, content)))
        except BrokenPipeError:
            return
        except UserError as error:
            say(REFUSED, str(error))
        except Exception as error:
            traceback.print_exc()
            say(FAILED, type(error).__name__)
