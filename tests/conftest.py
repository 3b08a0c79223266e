"""What holds for all tests."""

import signal

# Under nohup, or in the background of a script, Ctrl-C is ignored, and so it is by all children: some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
