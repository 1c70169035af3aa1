"""Rows that hold words or names: each has a salt of its own, so that a digest of it tells nobody what it says."""

from __future__ import annotations

import secrets

from django.db import models


def new_salt() -> bytes:
    return secrets.token_bytes(16)


class Salted(models.Model):
    """`salt`: 16 random bytes beside the words, erased with them. Empty: erased. Null: written before there were salts.

    Made here and not by the database: the digest is written in the same transaction, without reading the row again."""

    salt = models.BinaryField(max_length=16, null=True, default=new_salt, editable=False)

    class Meta:
        abstract = True

    @property
    def is_erased(self) -> bool:
        return self.salt is not None and not self.salt
