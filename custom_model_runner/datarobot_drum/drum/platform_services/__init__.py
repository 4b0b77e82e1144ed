"""What a platform adds to a model: moderation, reports, fetched files, access to its API.

Everything is off by default and needs an extra; nothing here is imported until it is asked for.
"""

from __future__ import annotations
