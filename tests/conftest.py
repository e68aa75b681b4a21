"""What holds for all tests."""

import signal

# A shell that runs the suite in the background has it ignore Ctrl-C, and so would every process that a test starts in
# order to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
