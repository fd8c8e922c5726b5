"""What a server says to a request that it does not answer."""


class RefusedError(Exception):
    """A request that is not answered; with a status and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status
