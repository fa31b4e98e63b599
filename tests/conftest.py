"""What holds for every test: signals as a terminal has them."""

import signal

# A script or a CI that starts the tests in the background leaves SIGINT ignored, and each process of theirs would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
