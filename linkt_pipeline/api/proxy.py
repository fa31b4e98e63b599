"""Which proxy, if any, stands between here and the API."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(base_url: str) -> str | None:
    """The proxy the environment names for this host (``HTTPS_PROXY``, ``NO_PROXY``...), never one for loopback.

    Looked up once: aiohttp's own ``trust_env`` asks a thread for it on every request, and reads ``.netrc`` besides.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
