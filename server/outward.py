"""How messages, links and sessions leave the house; main.py makes it, tests make their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from secrets import token_bytes, token_hex

from server.bell import Bell
from server.people.ports import Passwords
from server.people.store import Argon2
from watchkeeper.channel import Channel


@dataclass(frozen=True, slots=True)
class Outward:
    """Channels, keys and chance."""

    channels: Sequence[Channel] = ()
    # Without a kept key the links of this process end with it.
    link_key: bytes = field(default_factory=partial(token_bytes, 32))
    new_nonce: Callable[[], str] = field(default=partial(token_hex, 16))  # of a link, 128 bits
    new_token: Callable[[], str] = field(default=partial(token_hex, 32))  # of a session, 256 bits
    passwords: Passwords = field(default_factory=Argon2)
    bell: Bell = field(default_factory=Bell)  # rings when there is something to deliver
