class QuarryError(Exception):
    """The image did not come from Quarry; the message says why. Never holds a token."""
