"""Texts that look like a key, a token or a password: by the forms that providers give theirs, and by randomness if a name says that it is one.

    >>> [one.kind for one in find_secrets("use AKIAIOSFODNN7EXAMPL2 here")]
    ['AWS access key id']

No list is complete, and a match may be an example: a finding is a question to a person, never a proof.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tract.named_tuple import NamedTuple

_FORMS: tuple[tuple[str, str], ...] = (
    ("private key", r"-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    ("AWS access key id", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,200}"),
    ("OpenAI key", r"\bsk-(?=[A-Za-z_-]{0,200}\d)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}"),
    ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})"),
    ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,60}"),
    ("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,200}"),
    ("Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{20,30}"),
    ("Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("Google OAuth token", r"\bya29\.[0-9A-Za-z_-]{30,300}"),
    ("Stripe key", r"\b[sr]k_live_[0-9a-zA-Z]{20,120}"),
    ("Hugging Face token", r"\bhf_[A-Za-z0-9]{30,60}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgEI[A-Za-z0-9_-]{50,250}"),
    ("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    ("Azure storage key", r"\bAccountKey=[A-Za-z0-9+/]{80,90}={0,2}"),
    ("Google OAuth client secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    ("Groq key", r"\bgsk_[A-Za-z0-9]{40,60}\b"),
    ("xAI key", r"\bxai-[A-Za-z0-9]{60,100}\b"),
    ("Replicate token", r"\br8_[A-Za-z0-9]{36,40}\b"),
    ("Perplexity key", r"\bpplx-[A-Za-z0-9]{40,60}\b"),
    ("DigitalOcean token", r"\bdo[oprt]_v1_[a-f0-9]{64}\b"),
    ("Databricks token", r"\bdapi[a-f0-9]{32}\b"),
    ("Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("Linear key", r"\blin_api_[A-Za-z0-9]{40}\b"),
    ("Notion token", r"\bntn_[A-Za-z0-9]{40,50}\b"),
    ("Grafana token", r"\bglsa_[A-Za-z0-9]{32}_[a-f0-9]{8}\b"),
    ("Postman key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b"),
    ("Vault token", r"\bhv[bs]\.[A-Za-z0-9_-]{24,200}"),
    ("Docker token", r"\bdckr_pat_[A-Za-z0-9_-]{27}"),
    ("New Relic key", r"\bNRAK-[A-Z0-9]{27}\b"),
    ("Telegram bot token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    ("Twilio key", r"\bSK[a-f0-9]{32}\b"),
    ("Mailgun key", r"\bkey-[a-f0-9]{32}\b"),
    ("Slack app token", r"\bxapp-\d-[A-Z0-9]{8,14}-\d{8,14}-[a-f0-9]{64}\b"),
    ("JSON web token", r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
)
_FORM = re.compile("|".join(f"(?P<f{number}>{form})" for number, (_, form) in enumerate(_FORMS)))

_KEY_BODY = re.compile(
    r"(?:[^-]|-(?!-)){0,60000}+-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:(?:\s|\\[nr])*+[A-Za-z0-9+/=]{32,}+)*+"
)

# Most texts have none of these, and to look for them takes a hundredth of the time.
_MARKS = (
    *("PRIVATE KEY", "AKIA", "ASIA", "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("hooks.slack", "AIza", "ya29.", "_live_", "hf_", "npm_", "pypi-", "SG.", "AccountKey=", "eyJ", "GOCSPX-"),
    *("gsk_", "xai-", "r8_", "pplx-", "_v1_", "dapi", "shpat_", "shpca_", "shppa_", "shpss_", "lin_api_", "ntn_"),
    *("glsa_", "PMAK-", "hvs.", "hvb.", "dckr_pat_", "NRAK-", ":AA", "SK", "key-", "xapp-"),
)
_NAMES = ("key", "secret", "token", "passw", "passphrase", "credential", "bearer", "basic", "://")

_ADDRESS = re.compile(r"://[^\s/:@'\"<>]{0,80}:(?P<value>[^\s/:@'\"<>]{6,120})@")
_NAMED = re.compile(
    r"(?i)(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|passphrase|credential)[\w-]{0,20}"
    r"[\"']?\s{0,4}(?:=|:|=>)\s{0,4}[\"']?(?P<value>[A-Za-z0-9_\-/+=.~]{16,200})"
)
_BEARER = re.compile(r"(?i)\b(?:bearer|basic)\s{1,4}(?P<value>[A-Za-z0-9_\-/+=.~]{20,400})")
_GUESSES = (("password in an address", _ADDRESS), ("named secret", _NAMED), ("authorization", _BEARER))

_EXAMPLE = re.compile(
    r"(?i)example|placeholder|your[_-]?|changeme|redacted|dummy|xxx|\*\*\*|\.\.\.|(.)\1{5}|0123456|12345678|abcdefgh"
)
_LEAST_BITS = 3.3
"""The entropy a character, in bits, of what is no word: hexadecimal has up to 4, base 64 up to 6, English words some 3 with few digits."""

_SHOWN = 4


class Secret(NamedTuple):
    """A text that looks like a secret: its *kind*, and where it is in the text."""

    kind: str
    start: int
    end: int


class SecretAt(NamedTuple):
    """A possible secret in a JSON value: the *path* to its text, such as ``message.content.0.text``, and the part of it that may be *shown*."""

    kind: str
    path: str
    shown: str


def find_secrets(text: str) -> list[Secret]:
    """The possible secrets in *text*, in order, each place once."""
    is_marked = any(mark in text for mark in _MARKS)
    found = [
        Secret(_FORMS[int((match.lastgroup or "f0")[1:])][0], match.start(), _end(match))
        for match in (_FORM.finditer(text) if is_marked else ())
        if not _is_example(match.group())
    ]
    lower = text.lower()
    for kind, pattern in _GUESSES if any(name in lower for name in _NAMES) else ():
        for match in pattern.finditer(text):
            start, end = match.span("value")
            is_known = any(one.start < end and start < one.end for one in found)
            if not is_known and _is_random(match["value"], least=6 if pattern is _ADDRESS else 16):
                found.append(Secret(kind, start, end))
    return sorted(found, key=lambda one: one.start)


def secrets_in(value: Any) -> Iterator[SecretAt]:
    """The possible secrets in every text of a JSON value; a text under a key that names a secret counts too."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, one = stack.pop()
        if isinstance(one, str):
            for secret in find_secrets(one):
                yield SecretAt(secret.kind, path, masked(one[secret.start : secret.end]))
        elif isinstance(one, dict):
            for key, inner in reversed(one.items()):
                if isinstance(inner, str) and len(inner) <= _LONGEST_VALUE:
                    named = _NAMED.fullmatch(f"{key}={inner}")
                    if named is not None and not find_secrets(inner) and _is_random(inner, least=16):
                        yield SecretAt("named secret", f"{path}.{key}".lstrip("."), masked(inner))
                stack.append((f"{path}.{key}".lstrip("."), inner))
        elif isinstance(one, list):
            stack += [(f"{path}.{at}".lstrip("."), inner) for at, inner in reversed(list(enumerate(one)))]


_LONGEST_VALUE = 200


def masked(text: str) -> str:
    """The part of a secret that may be shown: its beginning and its length."""
    return f"{text[:_SHOWN]}… ({len(text)} characters)"


def _end(match: re.Match[str]) -> int:
    """The end of a secret: that of a private key is behind its body, which may be cut off."""
    body = _KEY_BODY.match(match.string, match.end()) if match["f0"] is not None else None
    return match.end() if body is None else body.end()


def _is_example(text: str) -> bool:
    return _EXAMPLE.search(text) is not None


def _is_random(text: str, *, least: int) -> bool:
    """Whether *text* is unlikely to be a word that a person chose: letters and digits, with little repetition."""
    if len(text) < least or _is_example(text):
        return False
    has_both = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    return has_both and (least < 16 or bits_a_character(text) >= _LEAST_BITS)


def bits_a_character(text: str) -> float:
    """The entropy of *text* in bits per character."""
    total = len(text)
    return -sum(count / total * math.log2(count / total) for count in Counter(text).values())
