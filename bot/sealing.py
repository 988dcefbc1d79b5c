"""Bot tokens under seal, so that no file, backup or export of the database holds one that works. Pure.

The key is made of the Slack app's client secret (HKDF-SHA256, RFC 5869); the seal is Fernet (AES-128-CBC with
HMAC-SHA256). Whoever has the database alone has nothing; with another client secret every workspace installs again.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class NotOurs(Exception):
    """Sealed with another client secret, or changed since."""


class Seal:
    def __init__(self, client_secret: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tokenwatch slack installations")
        self._fernet = Fernet(base64.urlsafe_b64encode(derive.derive(client_secret.encode())))

    def close(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises NotOurs."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            raise NotOurs("sealed with another client secret") from None
