"""FastAGI: the dialplan asks us within a deadline, and goes on by itself when we are late."""
