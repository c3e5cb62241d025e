"""The telephony room: AMI link, call model, dialplan hooks, journal, runtime, command line."""
