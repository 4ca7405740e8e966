"""Messages to measure with: made up from a word list, the same in every run."""

from __future__ import annotations

import random

_WORDS = (
    "the of and to a in is it you that for on with as are this be at have from or one had by word but not what all "
    "were we when your can said there use an each which she do how their if will up other about out many then them "
    "these so some her would make like him into time has look two more write go see number no way could people my "
    "than first water been call who oil its now find long down day did get come made may part agent context message "
    "token budget branch commit merge history model answer question customer order refund policy invoice shipping "
    "address update error server request response retry timeout database table index query result summary decision "
    "because however therefore although between during against across explain compare review approve reject deploy "
    "release version change feature customer's account payment subscription schedule meeting tomorrow yesterday "
    "quarterly report revenue increase decrease percent region market competitor analysis technical architecture"
).split()
ALERT_WORDS = (
    "disk cpu queue latency error node restart timeout memory volume replica shard cache probe certificate".split()
)
"""What alerts of a plant are made of."""

_WEIGHTS = [1 / (rank + 3) for rank in range(len(_WORDS))]


def messages(number: int, length: int = 300, seed: int = 7) -> list[str]:
    """*number* different texts of about *length* characters."""
    source = random.Random(seed)
    result = []
    for at in range(number):
        words = source.choices(_WORDS, _WEIGHTS, k=length // 4)
        text = f"{at}: " + " ".join(words)
        result.append(text[:length])
    return result
