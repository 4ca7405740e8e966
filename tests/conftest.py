"""Settings that all tests share."""

from hypothesis import settings

# A deadline for an example fails where other programs take the processor, and says nothing of the code.
settings.register_profile("tract", deadline=None)
settings.load_profile("tract")
