"""Settings for all tests: property tests draw the same examples every time and have no deadline.

A shared machine can stop for seconds; a timing is never a test's assertion.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "graphtorch", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("graphtorch")
