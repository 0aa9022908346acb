"""Certificates for a run: an authority, both sides, and some that must not be let in."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

PRINCIPAL = "framedrpc://conformance/client"


@dataclass(frozen=True)
class Identity:
    certificate: Path
    key: Path


class Authority:
    """`peer` serves as 127.0.0.1 and calls as PRINCIPAL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = self._authority("ca")
        self.peer = self._issue("peer", "ca")
        self.expired = self._issue("expired", "ca", days="-1")
        self._authority("other")
        self.stranger = self._issue("stranger", "other")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder, timeout=60)

    _NEW = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def _authority(self, name: str) -> Path:
        self._openssl(*self._NEW, "-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                      "-addext", "basicConstraints=critical,CA:TRUE")  # fmt: skip
        return self.folder / f"{name}.pem"

    def _issue(self, name: str, authority: str, days: str = "2") -> Identity:
        self._openssl(*self._NEW, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=IP:127.0.0.1,URI:{PRINCIPAL}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-days", days,
                      "-out", f"{name}.pem", "-extfile", f"{name}.ext")  # fmt: skip
        return Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def config(self) -> dict[str, str]:
        """As programs under test are told."""
        return {"certificate": str(self.peer.certificate), "key": str(self.peer.key), "authority": str(self.certificate)}
