"""Certificates for a test, made by openssl; mark the test `part("openssl")`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import parts

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority and what it has signed."""

    folder: Path

    def authority(self, name: str) -> Path:
        """Make a certificate authority."""
        made = self.folder / f"{name}.pem"
        openssl("req", "-x509", *CURVE, "-keyout", self._key(name), "-out", made, "-days", 2,
                "-subj", f"/CN={name}")  # fmt: skip
        return made

    def signed(self, name: str, by: str, host: str = "127.0.0.1", days: int = 2) -> Path:
        """Make a certificate for an address, signed by an authority."""
        made, request = self.folder / f"{name}.pem", self.folder / f"{name}.csr"
        names = self.folder / f"{name}.ext"
        names.write_text(f"subjectAltName=IP:{host}\n", "utf-8")
        openssl("req", "-new", *CURVE, "-keyout", self._key(name), "-out", request,
                "-subj", f"/CN={name}")  # fmt: skip
        signer = ("-CA", self.folder / f"{by}.pem", "-CAkey", self._key(by), "-CAcreateserial")
        openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", names,
                "-out", made)  # fmt: skip
        return made

    def _key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def openssl(*words: object) -> None:
    """Run openssl; a failure is an error."""
    subprocess.run([parts.program("openssl"), *map(str, words)], check=True, capture_output=True)
