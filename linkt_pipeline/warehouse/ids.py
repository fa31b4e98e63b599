"""Which ids the API can be asked for."""

WELL_FORMED_ID = "[A-Za-z0-9_-]{1,64}"  # the same rule as the one for ids in URLs
