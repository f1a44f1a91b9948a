"""What the broker must prove on an encrypted line, and what proves us."""

import ssl

from typing_extensions import override

from watchkeeper import settings
from watchkeeper.errors import ConfigError


class _Shaking(ssl.SSLSocket):
    """Closed at once when the other side proves nothing; paho would leave it to the collector."""

    @override
    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def trusted(mqtt: settings.Mqtt) -> ssl.SSLContext:
    """Return what the broker must prove, and what proves us where that is asked for.

    Raises ConfigError: a certificate or key cannot be used.
    """
    key = "mqtt.ca"
    try:
        context = ssl.create_default_context(cafile=mqtt.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _Shaking
        if mqtt.certificate is not None:
            key = "mqtt.certificate"
            context.load_cert_chain(mqtt.certificate, mqtt.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            where=key, what=str(error), fix="name PEM files that this program may read"
        ) from error
    return context
