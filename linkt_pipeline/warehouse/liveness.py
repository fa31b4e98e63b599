"""Settings by which a host that is cut off from PostgreSQL is given up within half a minute, by both sides.

Else its transaction would keep all others waiting for hours.
"""

from collections.abc import Mapping

OF_CLIENT: Mapping[str, str] = {  # of libpq
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
OF_SERVER: Mapping[str, str] = {  # of a session
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
